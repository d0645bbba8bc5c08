package control

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Impute makes a predictor-corrector method replace what is known by noised data after every one of its updates (Song et
// al. 2021, section 5 and appendix I.2). With the predictor alone the law of the free coordinates is biased: they never
// learn which noise the known ones will carry next. Corrector steps at each time remove the bias, in the limit of so many
// that they mix between modes, and with a score that is right between the modes too.
// The observation must be without noise.
func Impute(m sampler.PC, o *Observation) sampler.PC {
	if m.Predictor != nil {
		m.Predictor = Replace{m.Predictor, o}
	}
	if m.Corrector != nil {
		m.Corrector = ReplaceCorrected{m.Corrector, o}
	}
	return m
}

// replace sets the known coordinates of x to noised data at time t [1].
func (o *Observation) replace(s sde.SDE, rng noise.Source, x, t *Node) (y *Node) {
	values := o.values(x)
	z := rng.Normal(values.Shape())
	return o.put(x, Add(sde.Times(s.Alpha(t), values), sde.Times(s.Sigma(t), z)))
}

// checkReplacement refuses a missing part and an observation with noise.
func checkReplacement(part any, o *Observation) error {
	if err := checkParts(part, o); err != nil {
		return err
	}
	if o.noise != 0 {
		return fmt.Errorf("control: %s: replacement wants an observation without noise", o)
	}
	return nil
}

// checkParts refuses a missing predictor or corrector, one that refuses itself, and a missing observation.
func checkParts(part any, o *Observation) error {
	if part == nil || o == nil {
		return fmt.Errorf("control: got predictor or corrector %v and observation %v, want both", part, o)
	}
	if v, ok := part.(interface{ Validate() error }); ok {
		return v.Validate()
	}
	return nil
}

// Replace is a predictor followed by replacement at the new time.
type Replace struct {
	sampler.Predictor
	Observation *Observation
}

// String names predictor and observation.
func (r Replace) String() string {
	return fmt.Sprintf("%s with replacement (%s)", r.Predictor, r.Observation)
}

// replaceKey is a Replace or ReplaceCorrected by its parts.
type replaceKey struct {
	part        any
	observation *Observation
}

// Key is made of that of the predictor and the observation.
func (r Replace) Key() any { return replaceKey{r.Predictor.Key(), r.Observation} }

// Order claims none: the method is biased.
func (r Replace) Order() sampler.Order { return sampler.Order{} }

// Validate refuses missing parts and an observation with noise.
func (r Replace) Validate() error { return checkReplacement(r.Predictor, r.Observation) }

// Predict implements sampler.Predictor. The noise of the replacement stays in the mean.
func (r Replace) Predict(p *sampler.Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	next, mean = r.Predictor.Predict(p, rng, x, t, tNext)
	replaced := r.Observation.replace(p.SDE, rng, next, tNext)
	return replaced, r.Observation.put(mean, r.Observation.observed(replaced))
}

// ReplaceCorrected is a corrector followed by replacement.
type ReplaceCorrected struct {
	sampler.Corrector
	Observation *Observation
}

// String names corrector and observation.
func (r ReplaceCorrected) String() string {
	return fmt.Sprintf("%s with replacement (%s)", r.Corrector, r.Observation)
}

// Key is made of that of the corrector and the observation.
func (r ReplaceCorrected) Key() any { return replaceKey{r.Corrector.Key(), r.Observation} }

// Validate refuses missing parts and an observation with noise.
func (r ReplaceCorrected) Validate() error { return checkReplacement(r.Corrector, r.Observation) }

// Correct implements sampler.Corrector.
func (r ReplaceCorrected) Correct(p *sampler.Problem, rng noise.Source, x, t, a *Node, knobs []*Node) (next *Node) {
	next = r.Corrector.Correct(p, rng, x, t, a, knobs)
	return r.Observation.replace(p.SDE, rng, next, t)
}
