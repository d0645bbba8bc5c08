package score

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/sde"
)

// Flow is the right-hand side of the probability-flow ODE (Song et al. 2021, arXiv 2011.13456, eq 13), which carries the
// law p_t along, for the score f under s; shapes as of a Func:
//
//	dx/dt = f(t) x - g(t)^2/2 score(x, t).
func Flow(f Func, s sde.SDE) func(x, t *Node) *Node {
	return func(x, t *Node) *Node {
		half := Mul(Square(s.Diffusion(t)), ConstAs(t, []float64{0.5}))
		return Sub(sde.Times(s.Drift(t), x), sde.Times(half, f(x, t)))
	}
}
