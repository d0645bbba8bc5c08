package sampler

import (
	"context"
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Simulate runs a process without a kernel forward from the rows of data, at t = 0, to its T in Settings.Steps steps
// (sde.Nonlinear.Step), as Forward does for affine ones. Snapshots may be asked for at all times in [0, T]. Settings.Init
// and Denoise do not apply.
func Simulate(ctx context.Context, b compute.Backend, data mat.Matrix, process sde.Nonlinear, set Settings) (*Result, error) {
	if err := checkRows("data", data); err != nil {
		return nil, err
	}
	if err := process.Validate(); err != nil {
		return nil, fmt.Errorf("sampler: %w", err)
	}
	span := sde.Span{Eps: 0, T: process.Span().T}
	grid, err := set.grid(span)
	if err != nil {
		return nil, err
	}
	slices.Reverse(grid)
	n, d := data.Dims()
	lab, err := New(b, Problem{SDE: sde.Brownian{Times: span}, N: n, Shape: []int{d}}) // simulated knows its own process
	if err != nil {
		return nil, err
	}
	set.Init = Tensor(data, lab.problem.dtype())
	return lab.follow(ctx, &simulated{process}, grid, set)
}

// simulated is a step of a process forward along a rising grid.
type simulated struct{ process sde.Nonlinear }

func (m *simulated) String() string { return "simulated " + m.process.String() }
func (m *simulated) Key() any       { return m }
func (*simulated) Knobs() []float64 { return nil }
func (*simulated) Validate() error  { return nil }
func (*simulated) NFE() int         { return 0 }

func (m *simulated) Step(_ *Problem, rng noise.Source, x, t, tNext *Node, _, _ []*Node) (next *Node, newAux []*Node) {
	z := rng.Normal(x.Shape())
	return m.process.Step(x, t, Sub(tNext, t), z), nil
}

// ReverseOf is the Euler-Maruyama predictor for the time reversal of a process without a kernel (Anderson 1982),
//
//	mean = x - (F(x, t) - G(t)^2 score) dt,  next = mean + G(t) sqrt(dt) z,  dt = t - tNext.
//
// Problem.SDE gives nothing but times and a start, and has to have the span of the process: the Reference of
// objective.Simulated will do. A process that does not end in N(0, PriorStd^2 I) wants its own law at T as Settings.Init.
//
// A drift that pulls inwards faster than linearly pushes outwards just as fast in reverse, where only the score holds the
// samples: a learned score that is too flat beyond its data lets single ones escape to infinity (Status NonFinite).
//
// It is used by pointer, by which it is known: one made twice compiles twice.
type ReverseOf struct{ Process sde.Nonlinear }

// String names the scheme and the process.
func (r *ReverseOf) String() string { return "Euler-Maruyama for " + r.Process.String() }

// Key is the pointer.
func (r *ReverseOf) Key() any { return r }

// Validate refuses an unusable process.
func (r *ReverseOf) Validate() error {
	if err := r.Process.Validate(); err != nil {
		return fmt.Errorf("sampler: ReverseOf.Process: %w", err)
	}
	return nil
}

// Order is weak 1 and strong 1, since the noise does not depend on x.
func (*ReverseOf) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (*ReverseOf) NFE() int { return 1 }

// Predict implements Predictor.
func (r *ReverseOf) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	if got, want := p.SDE.Span(), r.Process.Span(); got != want {
		panic(fmt.Errorf("sampler: %s: Problem.SDE %s has times [%g, %g], want those of the process, [%g, %g]",
			r, p.SDE, got.Eps, got.T, want.Eps, want.T))
	}
	dt, g := Sub(t, tNext), r.Process.G(t)
	slope := Sub(r.Process.Slope(x, t), sde.Times(Square(g), p.Score(x, t)))
	mean = Sub(x, sde.Times(dt, slope))
	z := rng.Normal(x.Shape())
	return Add(mean, sde.Times(Mul(g, Sqrt(dt)), z)), mean
}
