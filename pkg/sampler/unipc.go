package sampler

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// UniPC is UniPC of order 2 with data prediction and B(h) = e^h - 1 (Zhao et al. 2023, arXiv 2302.04867, algorithms 5 and
// 7): each step predicts by the extrapolation of DPMSolver2M, evaluates there, corrects with that evaluation, and uses it
// again as the first of the next step. The first step corrects with two values only.
type UniPC struct{}

// String returns "UniPC (order 2)".
func (UniPC) String() string { return "UniPC (order 2)" }

// Key is the value itself.
func (UniPC) Key() any { return UniPC{} }

// Order is 3: that of the extrapolation and one more, by the correction.
func (UniPC) Order() Order { return Order{Strong: 3, Weak: 3} }

// NFE is 1.
func (UniPC) NFE() int { return 1 }

// Knobs are none.
func (UniPC) Knobs() []float64 { return nil }

// Validate accepts it.
func (UniPC) Validate() error { return nil }

// Begin implements Carrier: no history, and the posterior mean at the start.
func (UniPC) Begin(p *Problem, x, t *Node, _ []*Node) []*Node {
	return append(noHistory(x, t), p.denoise(x, t))
}

// Step implements Method. With m(h') = D at lambda + h', h' in [0, h], the exact solution is
//
//	next = sigma_b/sigma_a x + alpha_b e^-h integral of e^h' m(h') dh'
//
// and the corrector integrates the polynomial through D before, D now and D at the predicted end.
func (UniPC) Step(p *Problem, rng noise.Source, x, t, tNext *Node, aux, _ []*Node) (next *Node, newAux []*Node) {
	a, b := marginalAt(p.SDE, t), marginalAt(p.SDE, tNext)
	d, h := aux[2], Sub(b.lambda, a.lambda)
	slope := slopeOf(p, aux, d, t, a.lambda)
	predicted := exponential(a, b, x, Add(d, sde.Times(MulScalar(h, 0.5), slope)))
	end := p.denoise(predicted, tNext)

	// Moments of e^(h'-h) over the step: integral of (h'/h)^k e^(h'-h) dh' = phi_k.
	phi0 := Neg(Expm1(Neg(h)))
	phi1 := Sub(OnesLike(h), Div(phi0, h))
	phi2 := Sub(OnesLike(h), MulScalar(Div(phi1, h), 2))
	rise := Sub(end, d)                                                                     // m(h) - m(0)
	line := sde.Times(h, slope)                                                             // h times the slope before
	first := Equal(aux[1], t)                                                               // no value before: the polynomial is the line from d to end
	r := Where(first, OnesLike(h), Div(Sub(a.lambda, marginalAt(p.SDE, aux[1]).lambda), h)) // step before over this one
	// m = d + c1 s + c2 s^2, s = h'/h, through s = -r, 0, 1: c2 = (rise - line)/(1 + r), c1 = rise - c2.
	c2 := Div(Sub(rise, line), like(AddScalar(r, 1), x))
	c2 = Where(BroadcastToShape(like(first, x), x.Shape()), ZerosLike(x), c2)
	c1 := Sub(rise, c2)
	integral := Add(sde.Times(phi0, d), Add(sde.Times(phi1, c1), sde.Times(phi2, c2)))
	next = Add(sde.Times(Div(b.sigma, a.sigma), x), sde.Times(b.alpha, integral))
	return next, []*Node{d, t, end}
}
