package sampler

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
)

// FlowHeun takes a Heun step of the probability-flow ODE in t itself,
//
//	guess = x - d(x, t) dt,  next = x - (d(x, t) + d(guess, tNext)) dt/2,  dt = t - tNext,
//
// where d is written by Karras et al. (2022, algorithm 1) for a noise level sigma = Sigma/Alpha and a scaling s = Alpha with the
// denoiser D of data in their own units:
//
//	d(x, t) = f x - g^2/2 score = (s'/s + sigma'/sigma) x - s sigma'/sigma D(x/s; sigma).
//
// This is that algorithm, and with ProbabilityFlow, the Euler step, the solver of the paper's ablations: the process sets sigma(t) and s(t), Settings.Schedule the times, and each of the four can be changed without the others. Heun
// steps in Sigma/Alpha instead, which is the same on the process sde.EDM alone. A step to a time at which Sigma is 0, where
// D has no meaning, is an Euler step, as there; its second evaluation is then made at t and thrown away.
type FlowHeun struct{}

// String returns "probability-flow Heun".
func (FlowHeun) String() string { return "probability-flow Heun" }

// Key is the value itself.
func (FlowHeun) Key() any { return FlowHeun{} }

// Order is 2.
func (FlowHeun) Order() Order { return Order{Strong: 2, Weak: 2} }

// NFE is 2.
func (FlowHeun) NFE() int { return 2 }

// Predict implements Predictor.
func (FlowHeun) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	noiseless := Equal(p.SDE.Sigma(tNext), ZerosLike(tNext))
	dt := like(Sub(t, tNext), x)
	slope := score.Flow(p.Score, p.SDE)
	first := slope(x, t)
	guess := Sub(x, Mul(first, dt))
	second := slope(guess, Where(noiseless, t, tNext))
	half := like(Where(noiseless, ZerosLike(t), MulScalar(OnesLike(t), 0.5)), x)
	next = Sub(guess, Mul(Mul(half, dt), Sub(second, first)))
	return next, next
}
