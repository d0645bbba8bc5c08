package sampler

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// WideAncestral is the ancestral step with the variance of the forward transition, the first of the two choices of Ho
// et al. (2020, section 3.2) and the one of Song et al. (2021, eq 4):
//
//	mean = (x + c^2 score)/a,  next = mean + c z,
//
// with the forward transition x_t = a x_tNext + c z; on DDPM (x + beta_i score)/sqrt(1 - beta_i) and sqrt(beta_i) z. It is
// the variance of the exact reverse step for data of N(0, I), whereas that of Ancestral, the posterior beta-tilde_i, is
// the one for data at a point. Data of variance between 0 and 1 lie between the two.
type WideAncestral struct{}

// String returns "ancestral, forward variance".
func (WideAncestral) String() string { return "ancestral, forward variance" }

// Key is the value itself.
func (WideAncestral) Key() any { return WideAncestral{} }

// Order is weak 1 and strong 1, as an Euler scheme with exact noise.
func (WideAncestral) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (WideAncestral) NFE() int { return 1 }

// Kernel implements Gaussian.
func (WideAncestral) Kernel(s sde.SDE, t, tNext *Node) (onX, onScore, std *Node) {
	a, c := sde.Transition(s, t, tNext)
	return Reciprocal(a), Div(Square(c), a), c
}

// Predict implements Predictor.
func (k WideAncestral) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	return draw(k, p, rng, x, t, tNext)
}
