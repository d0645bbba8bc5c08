package train

import (
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"hash"
	"io"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/sde"
)

// recipeVersion changes when the same configuration would train something else.
const recipeVersion = 4

// id identifies the run on these tables (data, and conditions where there are some): a hash over the resolved
// configuration and the numbers. It must be the same in every process, since each notebook cell is one, so nothing like
// a function's address may enter.
func (c Config) id(tables ...mat.Matrix) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "score %s %s %g\n", c.Objective, c.Parametrisation, c.Drop)
	if err := identifySDE(h, c.Objective.Process()); err != nil {
		return "", err
	}
	identify(h, c.Objective.Times())
	identify(h, c.Net)
	return c.Recipe.id(h, tables), nil
}

func (c ClassifierConfig) id(data, y mat.Matrix) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "classifier %s %d raw %t\n", c.Objective, c.Classes, c.RawTime)
	if err := identifySDE(h, c.Objective.SDE); err != nil {
		return "", err
	}
	identify(h, c.Objective.Time)
	identify(h, c.Net)
	return c.Recipe.id(h, []mat.Matrix{data, y}), nil
}

// id adds the recipe, without the name, and the tables to what is in h already.
func (r Recipe) id(h hash.Hash, tables []mat.Matrix) string {
	fmt.Fprintf(h, "recipe %d: %d %d %g %d %g %g %d\n", recipeVersion, r.Steps, r.Batch, r.LearningRate, r.WarmUp, r.ClipNorm, r.EMA, r.Seed)
	for _, m := range tables {
		hashTable(h, m)
	}
	return hex.EncodeToString(h.Sum(nil))[:12]
}

// hashTable writes the shape and the numbers of a table.
func hashTable(h hash.Hash, m mat.Matrix) {
	n, d := m.Dims()
	fmt.Fprintf(h, "%d x %d\n", n, d)
	for i := range n {
		for k := range d {
			binary.Write(h, binary.LittleEndian, m.At(i, k)) // a hash does not fail
		}
	}
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
