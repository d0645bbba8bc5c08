package sde

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// Transition returns the exact forward transition from the earlier time tNext to the later time t (samplers run
// backwards, so the earlier time is their next one): x_t = a x_tNext + c z with z ~ N(0, I),
//
//	a = Alpha(t)/Alpha(tNext),  c^2 = Sigma(t)^2 - a^2 Sigma(tNext)^2,
//
// c clipped at 0. t and tNext have the same shape and dtype, tNext <= t; so have a and c.
func Transition(s SDE, t, tNext *Node) (a, c *Node) {
	a = Div(s.Alpha(t), s.Alpha(tNext))
	sigma, carried := s.Sigma(t), Mul(a, s.Sigma(tNext))
	// As a product of sum and difference: squaring first would cost half of the digits of a short step.
	c = Sqrt(nonNegative(Mul(Add(sigma, carried), Sub(sigma, carried))))
	return a, c
}
