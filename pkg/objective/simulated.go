package objective

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Simulated is implicit score matching for a forward process without a kernel (Song et al. 2021, section 3.3: simulate the
// SDE and use sliced score matching in place of DSM): x_t is simulated from x_0 for each example, in Steps equal steps
// from 0 to its own time t, and enters
//
//	E_t lambda(t) E_{x_t} [ |f|^2 + 2 tr(df/dx) ](x_t, t)
//
// as a sample. The minimum over f is the score of the simulated x_t. The steps, of length T/Steps at most, bias its law
// by their square (sde.Nonlinear.Step).
type Simulated struct {
	Forward sde.Nonlinear
	// Reference is an affine process on the same span with moments like those of Forward, within a factor of 2, say. It
	// sets the scales only: of the network's input and output (score.Parametrisation), and of lambda(t). Where the noise
	// dominates, at small t, its Sigma should be the standard deviation that Forward adds. The minimum does not depend on it.
	Reference sde.SDE
	Steps     int         // >= 1; each is unrolled into the graph, so compilation takes the longer the more there are
	Weighting Weighting   // of Reference; zero value: SigmaSquared
	Time      TimeSampler // on Reference; nil: Uniform
	Trace     Trace       // nil: Sliced{Slices: 1, Reduced: true}
}

// Process implements ScoreMatching: it is Reference.
func (o Simulated) Process() sde.SDE { return o.Reference }

// Times implements ScoreMatching.
func (o Simulated) Times() TimeSampler { return orUniform(o.Time) }

// Loss implements ScoreMatching.
func (o Simulated) Loss(f score.Func, rng noise.Source, x0, mask *Node) *Node {
	t, weight := o.Times().Draw(o.Reference, rng, x0)
	x := o.Simulate(rng, x0, t)
	return o.implicit().matched(f, rng, x, t, weight, mask) // no weights enter x, so no gradient runs through the steps
}

// Simulate returns x_t for data x0, both [B, ...], and times t [B].
func (o Simulated) Simulate(rng noise.Source, x0, t *Node) *Node {
	if o.Steps < 1 {
		panic(fmt.Errorf("objective: Simulated.Steps = %d, want >= 1", o.Steps))
	}
	dt := MulScalar(t, 1/float64(o.Steps))
	x := x0
	for k := range o.Steps {
		x = o.Forward.Step(x, MulScalar(dt, float64(k)), dt, rng.Normal(x.Shape()))
	}
	return x
}

// Validate refuses an objective that cannot be trained.
func (o Simulated) Validate() error {
	if err := o.Forward.Validate(); err != nil {
		return fmt.Errorf("objective: Simulated.Forward: %w", err)
	}
	if o.Steps < 1 {
		return fmt.Errorf("objective: Simulated.Steps = %d, want >= 1", o.Steps)
	}
	if err := sde.Validate(o.Reference); err != nil {
		return fmt.Errorf("objective: Simulated.Reference: %w", err)
	}
	if got, want := o.Reference.Span(), o.Forward.Span(); got != want {
		return fmt.Errorf("objective: Simulated.Reference %s has times [%g, %g], want those of %s, [%g, %g]",
			o.Reference, got.Eps, got.T, o.Forward, want.Eps, want.T)
	}
	return o.implicit().check(o)
}

// String names process, steps, trace, weighting and time sampling.
func (o Simulated) String() string {
	return fmt.Sprintf("%s simulated in %d steps, %s", o.Forward, o.Steps, o.implicit())
}

// implicit is what is done with the simulated x_t.
func (o Simulated) implicit() Implicit {
	return Implicit{SDE: o.Reference, Weighting: o.Weighting, Time: o.Time, Trace: o.Trace}
}
