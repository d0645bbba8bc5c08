// Package sde defines the forward processes of score-based generative modelling: affine Itô SDEs
//
//	dx = f(t) x dt + g(t) dw,   x_t | x_0 ~ N(Alpha(t) x_0, Sigma(t)^2 I)
//
// through the two functions that determine everything else, the signal coefficient Alpha and the kernel standard
// deviation Sigma (Song et al. 2021, arXiv 2011.13456, section 3 and appendix B). Every formula is a GoMLX graph
// function that works in float32 and float64, so that training, sampling, tables and tests all run the same code.
package sde

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// Span is the interval of times [Eps, T] on which a process is trained and sampled, 0 <= Eps < T.
// Eps > 0 keeps away from t = 0, where the score of data on a small support diverges.
type Span struct {
	Eps, T float64
}

// SDE is a forward process with a Gaussian kernel. The graph functions map times t of any shape (usually [B] or [1])
// to values of the same shape and dtype.
type SDE interface {
	// Alpha is the signal coefficient: E[x_t | x_0] = Alpha(t) x_0.
	Alpha(t *Node) *Node
	// Sigma is the standard deviation of x_t given x_0 in each coordinate.
	Sigma(t *Node) *Node
	// Drift is the scalar f(t) that multiplies x; f = Alpha'/Alpha.
	Drift(t *Node) *Node
	// Diffusion is g(t) >= 0; g^2 = Alpha^2 d/dt (Sigma^2/Alpha^2).
	Diffusion(t *Node) *Node
	// Span returns the times on which the process is used.
	Span() Span
	// PriorStd is the standard deviation of the Gaussian from which sampling starts at Span().T.
	PriorStd() float64
	// String names the process and its parameters.
	String() string
}

// Like reshapes per-example coefficients c, shape [B] or [1], so that they broadcast against x, shape [B, ...].
func Like(c, x *Node) *Node {
	dims := make([]int, x.Rank())
	for i := range dims {
		dims[i] = 1
	}
	dims[0] = c.Shape().Dim(0)
	return Reshape(c, dims...)
}

// Times multiplies every example of x, shape [B, ...], by its coefficient, c of shape [B] or [1].
func Times(c, x *Node) *Node { return Mul(Like(c, x), x) }

// PerExample sums x, shape [B, ...], over each example: [B].
func PerExample(x *Node) *Node {
	if x.Rank() == 1 {
		return x
	}
	axes := make([]int, x.Rank()-1)
	for i := range axes {
		axes[i] = i + 1
	}
	return ReduceSum(x, axes...)
}
