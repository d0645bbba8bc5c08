package control

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/sde"
)

// RePaint repeats each step of replacement: Resamples times it goes back by the forward transition and takes the step
// again, so that free coordinates can agree with the known ones (Lugmayr et al. 2022, arXiv 2201.09865, with jump length
// 1). The observation must be without noise.
type RePaint struct {
	sampler.Predictor
	Observation *Observation
	Resamples   int // steps taken per step of the grid, >= 1; 1 is replacement alone
}

// String names predictor, observation and repetitions.
func (r RePaint) String() string {
	return fmt.Sprintf("RePaint x %d (%s, %s)", r.Resamples, r.Predictor, r.Observation)
}

// repaintKey is a RePaint by its parts.
type repaintKey struct {
	predictor   any
	observation *Observation
	resamples   int
}

// Key is made of that of the predictor, the observation and the repetitions.
func (r RePaint) Key() any { return repaintKey{r.Predictor.Key(), r.Observation, r.Resamples} }

// Order claims none: the method is biased.
func (r RePaint) Order() sampler.Order { return sampler.Order{} }

// NFE counts all repetitions.
func (r RePaint) NFE() int { return r.Resamples * r.Predictor.NFE() }

// Validate refuses missing parts, an observation with noise, and no step at all.
func (r RePaint) Validate() error {
	if r.Resamples < 1 {
		return fmt.Errorf("control: RePaint.Resamples = %d, want >= 1", r.Resamples)
	}
	return checkReplacement(r.Predictor, r.Observation)
}

// Predict implements sampler.Predictor.
func (r RePaint) Predict(p *sampler.Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	step := Replace{r.Predictor, r.Observation}
	next, mean = step.Predict(p, rng, x, t, tNext)
	a, c := sde.Transition(p.SDE, t, tNext)
	for range r.Resamples - 1 {
		z := rng.Normal(x.Shape())
		back := Add(sde.Times(a, next), sde.Times(c, z))
		next, mean = step.Predict(p, rng, back, t, tNext)
	}
	return next, mean
}
