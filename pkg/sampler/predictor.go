package sampler

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/internal/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Predictors lists the predictors that draw from the reverse-time SDE.
func Predictors() []Predictor {
	return []Predictor{EulerMaruyama{}, ReverseDiffusion{}, Ancestral{}, StochasticHeun{}}
}

// EulerMaruyama discretises the reverse-time SDE dx = (f x - g^2 score) dt + g dw (report, eq 2) with all coefficients
// taken at t:
//
//	mean = x - (f x - g^2 score) dt,  next = mean + g sqrt(dt) z,  dt = t - tNext.
type EulerMaruyama struct{}

// String returns "Euler-Maruyama".
func (EulerMaruyama) String() string { return "Euler-Maruyama" }

// Order is weak 1, and strong 1 too, since the noise does not depend on x.
func (EulerMaruyama) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (EulerMaruyama) NFE() int { return 1 }

// Predict implements Predictor.
func (EulerMaruyama) Predict(p *Problem, rng, x, t, tNext *Node) (newRNG, next, mean *Node) {
	dt := Sub(t, tNext)
	f, g := p.SDE.Drift(t), p.SDE.Diffusion(t)
	g2 := Mul(Square(g), dt)
	mean = Add(Sub(x, Mul(like(Mul(f, dt), x), x)), Mul(like(g2, x), p.Score(x, t)))
	rng, z := noise.Normal(rng, x.Shape())
	return rng, Add(mean, Mul(like(Sqrt(g2), x), z)), mean
}

// ReverseDiffusion reverses the forward transition x_t = a x_tNext + c z of the present step (Song et al. 2021, eq 46):
//
//	mean = (2 - a) x + c^2 score,  next = mean + c z.
//
// For VE a = 1 and c^2 = sigma_{i+1}^2 - sigma_i^2, the predictor of Algorithm 2; for VP a = sqrt(1 - beta_{i+1}) and
// c^2 = beta_{i+1}, that of Algorithm 3. Transitions are exact, so that beta_i = 1 - exp(-integral of beta) stays below
// 1 however few steps are taken; the paper's beta(i/N)/N is its first order.
type ReverseDiffusion struct{}

// String returns "reverse diffusion".
func (ReverseDiffusion) String() string { return "reverse diffusion" }

// Order is weak 1 and strong 1, as an Euler scheme with exact noise.
func (ReverseDiffusion) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (ReverseDiffusion) NFE() int { return 1 }

// Predict implements Predictor.
func (ReverseDiffusion) Predict(p *Problem, rng, x, t, tNext *Node) (newRNG, next, mean *Node) {
	a, c := sde.Transition(p.SDE, t, tNext)
	mean = Add(Mul(like(AddScalar(Neg(a), 2), x), x), Mul(like(Square(c), x), p.Score(x, t)))
	rng, z := noise.Normal(rng, x.Shape())
	return rng, Add(mean, Mul(like(c, x), z)), mean
}

// Ancestral draws from the Gaussian q(x_tNext | x_t, x_0) with x_0 replaced by its posterior mean (Ho et al. 2020, arXiv
// 2006.11239, eqs 6-7; Song et al. 2021, eqs 4 and 47), which reads for every affine SDE
//
//	mean = (x + c^2 score)/a,  next = mean + c Sigma(tNext)/Sigma(t) z,
//
// with the forward transition x_t = a x_tNext + c z.
type Ancestral struct{}

// String returns "ancestral".
func (Ancestral) String() string { return "ancestral" }

// Order is weak 1, strong 1, both only once steps are shorter than the time left to t = 0: before that, where
// Sigma(tNext)/Sigma(t) is far from 1, errors fall as the square root of the step.
func (Ancestral) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (Ancestral) NFE() int { return 1 }

// Predict implements Predictor.
func (Ancestral) Predict(p *Problem, rng, x, t, tNext *Node) (newRNG, next, mean *Node) {
	a, c := sde.Transition(p.SDE, t, tNext)
	mean = Div(Add(x, Mul(like(Square(c), x), p.Score(x, t))), like(a, x))
	std := Div(Mul(c, p.SDE.Sigma(tNext)), p.SDE.Sigma(t))
	rng, z := noise.Normal(rng, x.Shape())
	return rng, Add(mean, Mul(like(std, x), z)), mean
}
