package train

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"github.com/scoresde/scoresde/pkg/sde"
)

// recipeVersion changes when the same configuration would train something else.
const recipeVersion = 6

// describe writes what is trained, without the recipe and the data. It must be the same in every process, since each
// notebook cell is one, so nothing like a function's address may enter.
func (c Config) describe() (string, error) {
	var h strings.Builder
	fmt.Fprintf(&h, "score %s %s %g\n", c.Objective, c.Parametrisation, c.Drop)
	if err := identifySDE(&h, c.Objective.Process()); err != nil {
		return "", err
	}
	identify(&h, c.Objective.Times())
	identify(&h, c.Net)
	return h.String(), nil
}

func (c ClassifierConfig) describe() (string, error) {
	var h strings.Builder
	fmt.Fprintf(&h, "classifier %s %d raw %t\n", c.Objective, c.Classes, c.RawTime)
	if err := identifySDE(&h, c.Objective.SDE); err != nil {
		return "", err
	}
	identify(&h, c.Objective.Time)
	identify(&h, c.Net)
	return h.String(), nil
}

// id identifies the run of what is described on data: a hash that holds the recipe, without the name, and the data's own.
func (r Recipe) id(what string, data Data) string {
	h := sha256.New()
	h.Write([]byte(what))
	fmt.Fprintf(h, "recipe %d: %d %d %g %d %g %g %d\n", recipeVersion, r.Steps, r.Batch, r.LearningRate, r.WarmUp, r.ClipNorm, r.EMA, r.Seed)
	for _, e := range data.parts() {
		fmt.Fprintln(h, e.name, e.Sum)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// form is equal for trainings of what is described that can take turns on one executable: they differ in the numbers of the
// recipe that enter it as inputs, and in the values of data of one shape. std, of the data, is a constant in it.
func (r Recipe) form(what string, std float64, data Data) string {
	form := fmt.Sprintf("%sbatch %d, std %v", what, r.Batch, std)
	for _, e := range data.parts() {
		form += ", " + e.name + " " + e.X.Shape().String()
		if data.fresh != nil {
			form += " " + e.Sum
		}
	}
	return form
}

// identifySDE writes what a process is, its functions on its span, because names leave parameters out (the span, the
// functions of a FromKernel). Ten digits are the same on every machine.
func identifySDE(h io.Writer, s sde.SDE) error {
	const points = 33
	span := s.Span()
	ts := make([]float64, points)
	for k := range ts {
		ts[k] = span.Eps + (span.T-span.Eps)*float64(k)/(points-1)
	}
	v, err := sde.Table(s, ts)
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	fmt.Fprintf(h, "%s %g %g\n", s, span.Eps, span.T)
	for k := range ts {
		fmt.Fprintf(h, "%.9e %.9e %.9e %.9e\n", v.Alpha[k], v.Sigma[k], v.Drift[k], v.Diffusion[k])
	}
	return nil
}

// identify writes the type, name and exported fields of a part of the configuration.
func identify(h io.Writer, part any) {
	fmt.Fprintf(h, "%T %s\n", part, part)
	if fields, err := json.Marshal(part); err == nil { // else the name must do
		h.Write(fields)
	}
}
