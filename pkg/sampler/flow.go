package sampler

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Deterministic lists the predictors that solve the probability-flow ODE.
func Deterministic() []Predictor {
	return []Predictor{ProbabilityFlow{}, FlowHeun{}, DDIM{}, DPMSolver2S{}}
}

// ProbabilityFlow takes an Euler step of the probability-flow ODE (Song et al. 2021, eq 13):
//
//	next = x - (f x - g^2/2 score) dt,  dt = t - tNext.
type ProbabilityFlow struct{}

// String returns "probability-flow Euler".
func (ProbabilityFlow) String() string { return "probability-flow Euler" }

// Key is the value itself.
func (ProbabilityFlow) Key() any { return ProbabilityFlow{} }

// Order is 1.
func (ProbabilityFlow) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (ProbabilityFlow) NFE() int { return 1 }

// Predict implements Predictor.
func (ProbabilityFlow) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	next = Sub(x, sde.Times(Sub(t, tNext), score.Flow(p.Score, p.SDE)(x, t)))
	return next, next
}

// marginal is the kernel at one time, [1] each. lambda = ln(alpha/sigma) rises as the noise falls.
type marginal struct{ alpha, sigma, lambda *Node }

func marginalAt(s sde.SDE, t *Node) marginal {
	alpha, sigma := s.Alpha(t), s.Sigma(t)
	return marginal{alpha, sigma, Log(Div(alpha, sigma))}
}

// denoise is the posterior mean D(x, t).
func (p *Problem) denoise(x, t *Node) *Node { return score.Denoiser(p.Score, p.SDE)(x, t) }

// exponential solves the probability-flow ODE from a to b as if the posterior mean D stayed the same:
//
//	next = sigma_b/sigma_a x + alpha_b (1 - e^-h) D,  h = lambda_b - lambda_a.
//
// The linear part of the ODE is exact, whatever h (Lu et al. 2022, arXiv 2211.01095, eq 8).
func exponential(a, b marginal, x, d *Node) *Node {
	gain := Neg(Mul(b.alpha, Expm1(Sub(a.lambda, b.lambda))))
	return Add(sde.Times(Div(b.sigma, a.sigma), x), sde.Times(gain, d))
}
