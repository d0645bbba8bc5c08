package sampler

import (
	"context"
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Family is the family of SDEs whose marginals are all those of one process. For every noise sigma(t) >= 0, here Ratio g(t),
//
//	dx = (f x - (g^2 - sigma^2)/2 score) dt + sigma dw   forward in time,
//	dx = (f x - (g^2 + sigma^2)/2 score) dt + sigma dw   backward,
//
// carry p_t along, by the Fokker-Planck equation: what sigma adds in noise it takes away by the score (Huang's slides,
// level 4, but without their condition sigma <= g; for f = 0 Karras et al. 2022, eq 6). Ratio 0 is the probability-flow ODE, 1 is
// the process and its reverse. As a Method it is an Euler-Maruyama step backwards with coefficients taken at t,
//
//	next = x - (f x - (1 + Ratio^2)/2 g^2 score) dt + Ratio g sqrt(dt) z,  dt = t - tNext,
//
// equal to ProbabilityFlow at Ratio 0 and to EulerMaruyama at 1. Large ratios need steps as small as Langevin dynamics
// would: (1 + Ratio^2)/2 g^2 dt below 2 Sigma^2. Ratio is a knob: changing it compiles nothing.
type Family struct {
	Ratio float64 // sigma/g at all times, >= 0
}

// String returns the name, without the ratio.
func (Family) String() string { return "family of equal marginals" }

// Key is the same for every ratio.
func (Family) Key() any { return Family{} }

// Order is weak 1, and strong 1 too, since the noise does not depend on x.
func (Family) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (Family) NFE() int { return 1 }

// Knobs is the ratio.
func (m Family) Knobs() []float64 { return []float64{m.Ratio} }

// Validate wants a ratio >= 0 and finite.
func (m Family) Validate() error {
	if !(m.Ratio >= 0) || math.IsInf(m.Ratio, 0) {
		return fmt.Errorf("sampler: Family.Ratio = %g, want >= 0 and finite", m.Ratio)
	}
	return nil
}

// Step implements Method. Where tNext > t, as in Sampler.Forward, it is a step of the forward SDE.
func (m Family) Step(p *Problem, rng noise.Source, x, t, tNext *Node, _, knobs []*Node) (next *Node, newAux []*Node) {
	dt, g := Sub(t, tNext), p.SDE.Diffusion(t)
	add := Mul(Sign(dt), Square(knobs[0])) // of the noise to the score: backward +, forward -
	push := Mul(Mul(MulScalar(AddScalar(add, 1), 0.5), Square(g)), dt)
	std := Mul(Mul(knobs[0], g), Sqrt(Abs(dt)))
	z := rng.Normal(x.Shape())
	drift := sde.Times(Mul(p.SDE.Drift(t), dt), x)
	mean := Add(Sub(x, drift), sde.Times(push, p.Score(x, t)))
	return Add(mean, sde.Times(std, z)), nil
}

// Forward runs a member of the family forward, from Settings.Init at Eps up to T: data noised to Eps there, which the score
// has to be that of. Unlike the function Forward, which draws from the forward SDE itself, this needs a score, for every
// ratio but 1; with 0 it encodes by the ODE. Settings.Denoise does not apply. It runs the executable of Run.
func (s *Sampler) Forward(ctx context.Context, m Family, set Settings) (*Result, error) {
	if s.problem.Score == nil {
		return nil, fmt.Errorf("sampler: Problem.Score is nil, want a score")
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	if set.Init == nil {
		return nil, fmt.Errorf("sampler: Sampler.Forward: Settings.Init is nil, want samples at Eps to start from")
	}
	grid, err := set.grid(s.problem.SDE.Span())
	if err != nil {
		return nil, err
	}
	slices.Reverse(grid)
	return s.follow(ctx, m, grid, set)
}
