// Package dist holds distributions with a known law whose noised versions under every affine SDE are closed forms.
//
// An affine forward process turns data X into x_t = alpha X + sigma Z with Z ~ N(0, I). For the laws of this package
// the density of x_t, its score, the posterior mean of X and, for mixtures, the class posterior are exact, so that
// a sampler or a learned score can be measured against numbers instead of pictures. The formulas are GoMLX graph
// functions that work in float32 and float64 and inside the body of a While loop; LogProbAt, ScoreAt and DenoiseAt
// evaluate the same graphs on the host in float64.
package dist

import (
	"fmt"
	"math"
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
)

// Law is a distribution on R^d whose noised versions alpha X + sigma Z, Z ~ N(0, I), have closed forms.
//
// The graph functions take x of shape [B, d] and alpha, sigma of the same dtype and of shape [B], or [1] for one
// time that the whole batch shares; alpha > 0, sigma >= 0, and sigma = 0 only where X has a density. They panic on
// other shapes, as GoMLX functions do.
type Law interface {
	// Dim is d.
	Dim() int
	// Sample draws n >= 1 points on the host, [n, d].
	Sample(rng *rand.Rand, n int) *mat.Dense
	// Mean is E[X], of length d.
	Mean() []float64
	// Cov is the covariance matrix of X, [d, d].
	Cov() *mat.SymDense
	// LogProb is the log density of alpha X + sigma Z at x, in nats, [B].
	LogProb(x, alpha, sigma *Node) *Node
	// Score is the gradient of LogProb in x, [B, d].
	Score(x, alpha, sigma *Node) *Node
	// Denoise is the posterior mean E[X | alpha X + sigma Z = x] = (x + sigma^2 Score) / alpha, [B, d] (Tweedie's formula).
	Denoise(x, alpha, sigma *Node) *Node
	// Noised is the law of alpha X + sigma Z. It panics unless alpha and sigma >= 0 are finite.
	Noised(alpha, sigma float64) Law
	// String names the law and its parameters.
	String() string
}

// checkInputs panics unless x is [B, d] with d = dim, and alpha and sigma are [B] or [1] of x's dtype.
func checkInputs(what string, dim int, x, alpha, sigma *Node) {
	if x.Rank() != 2 || x.Shape().Dim(1) != dim {
		panic(fmt.Errorf("dist: %s: x has shape %s, want [B, %d]", what, x.Shape(), dim))
	}
	batch := x.Shape().Dim(0)
	for _, c := range []struct {
		name string
		node *Node
	}{{"alpha", alpha}, {"sigma", sigma}} {
		size := c.node.Shape().Size()
		if c.node.Rank() != 1 || (size != 1 && size != batch) {
			panic(fmt.Errorf("dist: %s: %s has shape %s, want [1] or [%d]", what, c.name, c.node.Shape(), batch))
		}
		if c.node.DType() != x.DType() {
			panic(fmt.Errorf("dist: %s: %s is %s but x is %s", what, c.name, c.node.DType(), x.DType()))
		}
	}
}

// checkKernel panics unless alpha and sigma describe a Gaussian kernel.
func checkKernel(alpha, sigma float64) {
	if !finite(alpha) || !finite(sigma) || sigma < 0 {
		panic(fmt.Errorf("dist: Noised: alpha = %g, sigma = %g, want finite numbers and sigma >= 0", alpha, sigma))
	}
}

func finite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// constant is a value of x's dtype. Every scalar in this package is made here and not by MulScalar or AddScalar:
// GoMLX caches those per graph, and a cached scalar of the main graph is invalid in the body of a loop.
func constant(x *Node, value any, dims ...int) *Node {
	c := ConstAs(x, value)
	if len(dims) == 0 {
		return c
	}
	return Reshape(c, dims...)
}
