package objective

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Implicit is implicit score matching (Hyvarinen 2005, JMLR 6, theorem 1) over time:
//
//	E_t lambda(t) E_{x_t} [ |f|^2 + 2 tr(df/dx) ](x_t, t)
//
// which is the squared distance from the score less a constant, and needs samples of x_t only, no kernel. Its minimum over
// f is the score. Trace says how the trace is found; weighting and times are as in DSM.
type Implicit struct {
	SDE       sde.SDE
	Weighting Weighting   // zero value: SigmaSquared
	Time      TimeSampler // nil: Uniform
	Trace     Trace       // nil: Sliced{Slices: 1, Reduced: true}
}

// Trace is a way to find |f|^2 + 2 tr(df/dx).
type Trace interface {
	// Estimate returns it per example, [B], unbiased, for x [B, ...] and times t [B].
	Estimate(f score.Func, rng noise.Source, x, t *Node) *Node
	String() string
}

// Loss implements ScoreMatching. It may be negative.
func (o Implicit) Loss(f score.Func, rng noise.Source, x0, mask *Node) *Node {
	t, weight := orUniform(o.Time).Draw(o.SDE, rng, x0)
	z := rng.Normal(x0.Shape())
	return o.matched(f, rng, noised(x0, z, o.SDE.Alpha(t), o.SDE.Sigma(t)), t, weight, mask)
}

// matched is the loss at x_t [B, ...], for times t and weights [B]. A part that does not count has the output 0, and adds
// nothing to norm and trace.
func (o Implicit) matched(f score.Func, rng noise.Source, x, t, weight, mask *Node) *Node {
	value := o.trace().Estimate(func(x, t *Node) *Node { return counted(f(x, t), mask) }, rng, x, t)
	return ReduceAllMean(Mul(Mul(weight, o.Weighting.Lambda(o.SDE, t)), value))
}

func (o Implicit) trace() Trace {
	if o.Trace == nil {
		return Sliced{Slices: 1, Reduced: true}
	}
	return o.Trace
}

// Validate refuses an objective that cannot be trained, as DSM's does.
func (o Implicit) Validate() error { return o.check(o) }

// check is Validate for an objective of that name.
func (o Implicit) check(name fmt.Stringer) error {
	if v, ok := o.trace().(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return fmt.Errorf("objective: %w", err)
		}
	}
	return validate(name, o.SDE, o.Time, o.Weighting)
}

// String names trace, weighting and time sampling.
func (o Implicit) String() string {
	return fmt.Sprintf("implicit score matching (%s), lambda = %s, t %s", o.trace(), o.Weighting.orDefault(), orUniform(o.Time))
}

// Exact takes the trace by one gradient for each coordinate.
type Exact struct{}

// Estimate implements Trace.
func (Exact) Estimate(f score.Func, _ noise.Source, x, t *Node) *Node {
	if shape := x.Shape().Dimensions[1:]; len(shape) > 1 {
		f, x = score.Flat(f, shape...), Reshape(x, x.Shape().Dim(0), -1)
	}
	y := f(x, t)
	value := ReduceSum(Square(y), -1)
	for i := range x.Shape().Dim(1) {
		slope := Gradient(ReduceAllSum(SliceAxis(y, 1, AxisElem(i))), x)[0]
		value = Add(value, MulScalar(ReduceSum(SliceAxis(slope, 1, AxisElem(i)), -1), 2))
	}
	return value
}

// String returns "exact trace".
func (Exact) String() string { return "exact trace" }

// Sliced takes the trace along random directions v of N(0, I): v^T (df/dx) v, the mean over Slices of them (Song, Garg,
// Shi and Ermon 2019, arXiv 1905.07088, eqs 7 and 8). Reduced keeps |f|^2 in place of (v^T f)^2, which has the same mean
// and no variance (SSM-VR).
type Sliced struct {
	Slices  int // >= 1
	Reduced bool
}

// Validate wants at least one slice.
func (s Sliced) Validate() error {
	if s.Slices < 1 {
		return fmt.Errorf("Sliced.Slices = %d, want >= 1", s.Slices)
	}
	return nil
}

// Estimate implements Trace.
func (s Sliced) Estimate(f score.Func, rng noise.Source, x, t *Node) *Node {
	y := f(x, t)
	var sum *Node
	for range s.Slices {
		v := rng.Normal(x.Shape())
		along := sde.PerExample(Mul(y, v))
		term := MulScalar(sde.PerExample(Mul(Gradient(ReduceAllSum(along), x)[0], v)), 2)
		if !s.Reduced {
			term = Add(term, Square(along))
		}
		sum = plus(sum, term)
	}
	value := MulScalar(sum, 1/float64(s.Slices))
	if s.Reduced {
		value = Add(value, sde.PerExample(Square(y)))
	}
	return value
}

// String names slices and variance reduction.
func (s Sliced) String() string {
	if s.Reduced {
		return fmt.Sprintf("%d slices, variance reduced", s.Slices)
	}
	return fmt.Sprintf("%d slices", s.Slices)
}

// FiniteDifference takes the trace along random directions without a gradient in x (Pang et al. 2020, arXiv 2007.03317,
// FD-SSM): v^T [f(x + e v) - f(x - e v)]/(2 e), with an error of e^2 times third derivatives of f.
type FiniteDifference struct {
	Step float64 // e > 0; a length |e v| of about 1e-2 of the scale on which f changes
}

// Validate wants a positive step.
func (s FiniteDifference) Validate() error {
	if !(s.Step > 0) || math.IsInf(s.Step, 0) {
		return fmt.Errorf("FiniteDifference.Step = %g, want > 0 and finite", s.Step)
	}
	return nil
}

// Estimate implements Trace.
func (s FiniteDifference) Estimate(f score.Func, rng noise.Source, x, t *Node) *Node {
	v := rng.Normal(x.Shape())
	step := MulScalar(v, s.Step)
	rise := MulScalar(Sub(f(Add(x, step), t), f(Sub(x, step), t)), 1/s.Step) // 2 (df/dx) v
	return sde.PerExample(Add(Square(f(x, t)), Mul(rise, v)))
}

// String names the step.
func (s FiniteDifference) String() string { return fmt.Sprintf("finite differences of %g", s.Step) }

func plus(sum, term *Node) *Node {
	if sum == nil {
		return term
	}
	return Add(sum, term)
}
