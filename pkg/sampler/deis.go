package sampler

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// DEIS is the exponential integrator of second order with multiple steps, tAB-DEIS (Zhang and Chen 2023, arXiv 2204.13902):
// in the variables x/Alpha and rho = Sigma/Alpha the probability-flow ODE reads
//
//	d(x/Alpha)/d rho = eps(x, t),   eps = -Sigma score,
//
// and eps is extrapolated linearly in rho from the step before, as by Adams and Bashforth. The first step is DDIM's.
type DEIS struct{}

// String returns "DEIS (order 2)".
func (DEIS) String() string { return "DEIS (order 2)" }

// Key is the value itself.
func (DEIS) Key() any { return DEIS{} }

// Order is 2.
func (DEIS) Order() Order { return Order{Strong: 2, Weak: 2} }

// NFE is 1.
func (DEIS) NFE() int { return 1 }

// Knobs are none.
func (DEIS) Knobs() []float64 { return nil }

// Validate accepts it.
func (DEIS) Validate() error { return nil }

// Begin implements Carrier.
func (DEIS) Begin(_ *Problem, x, t *Node, _ []*Node) []*Node { return noHistory(x, t) }

// Step implements Method.
func (DEIS) Step(p *Problem, rng noise.Source, x, t, tNext *Node, aux, _ []*Node) (next *Node, newAux []*Node) {
	rho := func(t *Node) *Node { return Div(p.SDE.Sigma(t), p.SDE.Alpha(t)) }
	eps := Neg(sde.Times(p.SDE.Sigma(t), p.Score(x, t)))
	h := Sub(rho(tNext), rho(t))
	first := Equal(aux[1], t)
	gap := Where(first, OnesLike(h), Sub(rho(t), rho(aux[1])))
	ratio := Where(first, ZerosLike(h), MulScalar(Div(h, gap), 0.5))
	mean := Add(eps, sde.Times(ratio, Sub(eps, aux[0])))
	scaled := Add(Div(x, like(p.SDE.Alpha(t), x)), sde.Times(h, mean))
	return sde.Times(p.SDE.Alpha(tNext), scaled), []*Node{eps, t}
}
