package sampler

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/scoresde/scoresde/pkg/noise"
)

// DDIM is the deterministic sampler of Song, Meng and Ermon (2021, arXiv 2010.02502, eq 12 with eta = 0), for every affine
// SDE:
//
//	next = Alpha(tNext) D + Sigma(tNext) (x - Alpha(t) D)/Sigma(t)
//
// with the posterior mean D = D(x, t). It solves the probability-flow ODE exactly for a D that does not change over the
// step, and so is also the exponential integrator of first order.
type DDIM struct{}

// String returns "DDIM".
func (DDIM) String() string { return "DDIM" }

// Key is the value itself.
func (DDIM) Key() any { return DDIM{} }

// Order is 1.
func (DDIM) Order() Order { return Order{Strong: 1, Weak: 1} }

// NFE is 1.
func (DDIM) NFE() int { return 1 }

// Predict implements Predictor.
func (DDIM) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	next = exponential(marginalAt(p.SDE, t), marginalAt(p.SDE, tNext), x, p.denoise(x, t))
	return next, next
}
