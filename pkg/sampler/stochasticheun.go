package sampler

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// StochasticHeun is the stochastic Runge-Kutta scheme of weak order 2 for noise that does not depend on x (Kloeden and
// Platen 1992, section 14.2, simplified for additive noise), applied to the reverse-time SDE dx = a(x,t) dt + g dw with
// a = g^2 score - f x, time running backwards over dt = t - tNext:
//
//	guess = x + a(x,t) dt + w,  next = x + (a(x,t) + a(guess,tNext)) dt/2 + w,  w ~ N(0, (g(t)^2 + g(tNext)^2) dt/2).
type StochasticHeun struct{}

// String returns "stochastic Heun".
func (StochasticHeun) String() string { return "stochastic Heun" }

// Key is the value itself.
func (StochasticHeun) Key() any { return StochasticHeun{} }

// Order is weak 2, strong 1.
func (StochasticHeun) Order() Order { return Order{Strong: 1, Weak: 2} }

// NFE is 2.
func (StochasticHeun) NFE() int { return 2 }

// Predict implements Predictor.
func (StochasticHeun) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	dt := like(Sub(t, tNext), x)
	slope := func(x, t *Node) *Node {
		f, g2 := like(p.SDE.Drift(t), x), like(Square(p.SDE.Diffusion(t)), x)
		return Mul(Sub(Mul(g2, p.Score(x, t)), Mul(f, x)), dt)
	}
	first := slope(x, t)
	step := func(w *Node) *Node {
		guess := Add(Add(x, first), w)
		return Add(Add(x, MulScalar(Add(first, slope(guess, tNext)), 0.5)), w)
	}
	spread := MulScalar(Sqrt(Mul(Add(Square(p.SDE.Diffusion(t)), Square(p.SDE.Diffusion(tNext))), Sub(t, tNext))), math.Sqrt(0.5))
	z := rng.Normal(x.Shape())
	return step(sde.Times(spread, z)), step(ZerosLike(x))
}
