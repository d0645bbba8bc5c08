package sampler

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Heun is the sampler of EDM (Karras et al. 2022, arXiv 2206.00364, algorithms 1 and 2) for every affine SDE: Heun's method
// for d(x/Alpha)/d rho = (x/Alpha - D)/rho in rho = Sigma/Alpha. With Churn, each step first raises the noise by the forward
// transition from t to min(t (1 + Churn), T), which for the EDM process, t = sigma, is that paper's gamma. Its schedule is
// PowerSchedule(7).
type Heun struct {
	Churn float64 // gamma of each step, in [0, sqrt(2) - 1]; 0: deterministic
}

// String returns the name, with or without churn.
func (h Heun) String() string {
	if h.Churn > 0 {
		return "Heun (EDM, with churn)"
	}
	return "Heun (EDM)"
}

// heunKey is Heun without the value of the churn.
type heunKey struct{ churns bool }

// Key says whether there is churn.
func (h Heun) Key() any { return heunKey{h.Churn > 0} }

// Order is 2 without churn.
func (h Heun) Order() Order { return Order{Strong: 2, Weak: 2} }

// NFE is 2.
func (Heun) NFE() int { return 2 }

// Knobs is the churn.
func (h Heun) Knobs() []float64 { return []float64{h.Churn} }

// Validate wants the churn in its range.
func (h Heun) Validate() error {
	if !(h.Churn >= 0 && h.Churn <= math.Sqrt2-1) {
		return fmt.Errorf("sampler: Heun.Churn = %g, want in [0, sqrt(2) - 1]", h.Churn)
	}
	return nil
}

// Step implements Method.
func (h Heun) Step(p *Problem, rng noise.Source, x, t, tNext *Node, _, knobs []*Node) (next *Node, newAux []*Node) {
	if h.Churn > 0 {
		up := Min(Mul(t, AddScalar(knobs[0], 1)), ConstAs(t, []float64{p.SDE.Span().T}))
		a, c := sde.Transition(p.SDE, up, t)
		z := rng.Normal(x.Shape())
		x, t = Add(sde.Times(a, x), sde.Times(c, z)), up
	}
	slope := func(x, t *Node) *Node { return Neg(sde.Times(p.SDE.Sigma(t), p.Score(x, t))) } // (x/Alpha - D)/rho = eps
	rho := func(t *Node) *Node { return Div(p.SDE.Sigma(t), p.SDE.Alpha(t)) }
	step := like(Sub(rho(tNext), rho(t)), x)
	scaled := Div(x, like(p.SDE.Alpha(t), x))
	first := slope(x, t)
	out := like(p.SDE.Alpha(tNext), x)
	second := slope(Mul(out, Add(scaled, Mul(step, first))), tNext)
	return Mul(out, Add(scaled, Mul(step, MulScalar(Add(first, second), 0.5)))), nil
}
