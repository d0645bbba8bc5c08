package sde

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// The scalar helpers below make a fresh constant each time. GoMLX's own MulScalar and AddScalar cache their constants
// per graph, so a constant first made inside the body of a While loop would break every later use outside of it.

func scaled(x *Node, by float64) *Node { return Mul(x, ConstAs(x, by)) }

func shifted(x *Node, by float64) *Node { return Add(x, ConstAs(x, by)) }

// constantLike is a value that does not depend on t, in the shape of t.
func constantLike(t *Node, value float64) *Node { return shifted(scaled(t, 0), value) }

// oneMinusExpNeg is 1 - exp(-b) for b >= 0, without the cancellation near b = 0.
func oneMinusExpNeg(b *Node) *Node { return Neg(Expm1(Neg(b))) }

func nonNegative(x *Node) *Node { return Max(x, ConstAs(x, 0.0)) }

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
