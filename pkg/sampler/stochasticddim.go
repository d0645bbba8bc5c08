package sampler

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// StochasticDDIM is the family of Song, Meng and Ermon (2021, arXiv 2010.02502, eq 12) between DDIM, Eta 0, and the ancestral
// step, Eta 1, for every affine SDE:
//
//	next = Alpha(tNext) D + sqrt(Sigma(tNext)^2 - w^2) (x - Alpha(t) D)/Sigma(t) + w z,   w = Eta c Sigma(tNext)/Sigma(t)
//
// with the posterior mean D = D(x, t) and the forward transition x_t = a x_tNext + c z. Eta is a knob: changing it compiles
// nothing. In continuous time it is Family with Ratio = Eta, discretised so that the step is exact for data at a point.
type StochasticDDIM struct {
	Eta float64 // in [0, 1]
}

// String returns the name, without eta.
func (StochasticDDIM) String() string { return "stochastic DDIM" }

// Key is the same for every eta.
func (StochasticDDIM) Key() any { return StochasticDDIM{} }

// Order is weak 1 and strong 1, with the reservation of Ancestral.
func (StochasticDDIM) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (StochasticDDIM) NFE() int { return 1 }

// Knobs is eta.
func (m StochasticDDIM) Knobs() []float64 { return []float64{m.Eta} }

// Validate wants eta in its range.
func (m StochasticDDIM) Validate() error {
	if !(m.Eta >= 0 && m.Eta <= 1) {
		return fmt.Errorf("sampler: StochasticDDIM.Eta = %g, want in [0, 1]", m.Eta)
	}
	return nil
}

// Step implements Method.
func (m StochasticDDIM) Step(p *Problem, rng noise.Source, x, t, tNext *Node, _, knobs []*Node) (next *Node, newAux []*Node) {
	_, c := sde.Transition(p.SDE, t, tNext)
	from, to := p.SDE.Sigma(t), p.SDE.Sigma(tNext)
	w := Mul(knobs[0], Div(Mul(c, to), from))
	kept := Div(Sqrt(Mul(Add(to, w), Max(Sub(to, w), ZerosLike(w)))), from)
	onD := Sub(p.SDE.Alpha(tNext), Mul(p.SDE.Alpha(t), kept))
	z := rng.Normal(x.Shape())
	mean := Add(sde.Times(kept, x), sde.Times(onD, p.denoise(x, t)))
	return Add(mean, sde.Times(w, z)), nil
}
