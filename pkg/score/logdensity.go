package score

import (
	. "github.com/gomlx/gomlx/core/graph"
)

// LogDensity is the logarithm of a density of x given t, or of one up to a factor that does not depend on x, [B]: x is
// [B, ...], t is [B] or [1]. Energies with the sign turned, posteriors of a class and observations are such functions.
type LogDensity func(x, t *Node) *Node

// Score is the gradient in x, of the shape of x. Gradients do not work in the body of a loop on the Go engine, where the host
// drives the steps.
func (l LogDensity) Score() Func {
	return func(x, t *Node) *Node { return Gradient(ReduceAllSum(l(x, t)), x)[0] }
}
