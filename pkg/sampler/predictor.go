package sampler

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Predictors lists the predictors that draw from the reverse-time SDE.
func Predictors() []Predictor {
	return []Predictor{EulerMaruyama{}, ReverseDiffusion{}, Ancestral{}, WideAncestral{}, StochasticHeun{}}
}

// Gaussian is a Predictor whose next state is Gaussian given the present one:
//
//	mean = onX x + onScore score(x, t),  next = mean + std z.
//
// Its density is what weights of particles need.
type Gaussian interface {
	Predictor
	// Kernel returns the coefficients, [1] each, of a step from t to tNext, [1].
	Kernel(s sde.SDE, t, tNext *Node) (onX, onScore, std *Node)
}

// draw takes a step of a Gaussian predictor.
func draw(k Gaussian, p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	onX, onScore, std := k.Kernel(p.SDE, t, tNext)
	mean = Add(sde.Times(onX, x), sde.Times(onScore, p.Score(x, t)))
	z := rng.Normal(x.Shape())
	return Add(mean, sde.Times(std, z)), mean
}

// EulerMaruyama discretises the reverse-time SDE dx = (f x - g^2 score) dt + g dw (Anderson 1982) with all coefficients
// taken at t:
//
//	mean = x - (f x - g^2 score) dt,  next = mean + g sqrt(dt) z,  dt = t - tNext.
type EulerMaruyama struct{}

// String returns "Euler-Maruyama".
func (EulerMaruyama) String() string { return "Euler-Maruyama" }

// Key is the value itself.
func (EulerMaruyama) Key() any { return EulerMaruyama{} }

// Order is weak 1, and strong 1 too, since the noise does not depend on x.
func (EulerMaruyama) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (EulerMaruyama) NFE() int { return 1 }

// Kernel implements Gaussian.
func (EulerMaruyama) Kernel(s sde.SDE, t, tNext *Node) (onX, onScore, std *Node) {
	dt := Sub(t, tNext)
	g := s.Diffusion(t)
	return AddScalar(Neg(Mul(s.Drift(t), dt)), 1), Mul(Square(g), dt), Mul(g, Sqrt(dt))
}

// Predict implements Predictor.
func (k EulerMaruyama) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	return draw(k, p, rng, x, t, tNext)
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

// Key is the value itself.
func (ReverseDiffusion) Key() any { return ReverseDiffusion{} }

// Order is weak 1 and strong 1, as an Euler scheme with exact noise.
func (ReverseDiffusion) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (ReverseDiffusion) NFE() int { return 1 }

// Kernel implements Gaussian.
func (ReverseDiffusion) Kernel(s sde.SDE, t, tNext *Node) (onX, onScore, std *Node) {
	a, c := sde.Transition(s, t, tNext)
	return AddScalar(Neg(a), 2), Square(c), c
}

// Predict implements Predictor.
func (k ReverseDiffusion) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	return draw(k, p, rng, x, t, tNext)
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

// Key is the value itself.
func (Ancestral) Key() any { return Ancestral{} }

// Order is weak 1, strong 1, both only once steps are shorter than the time left to t = 0: before that, where
// Sigma(tNext)/Sigma(t) is far from 1, errors fall as the square root of the step.
func (Ancestral) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (Ancestral) NFE() int { return 1 }

// Kernel implements Gaussian.
func (Ancestral) Kernel(s sde.SDE, t, tNext *Node) (onX, onScore, std *Node) {
	a, c := sde.Transition(s, t, tNext)
	return Reciprocal(a), Div(Square(c), a), Div(Mul(c, s.Sigma(tNext)), s.Sigma(t))
}

// Predict implements Predictor.
func (k Ancestral) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	return draw(k, p, rng, x, t, tNext)
}
