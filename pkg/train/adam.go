package train

import (
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// adam is a step of Adam (Kingma and Ba 2015, arXiv 1412.6980, Algorithm 1):
//
//	m += (1 - b1) (g - m),  v += (1 - b2) (g^2 - v),  w -= rate m/(1 - b1^n) / (sqrt(v/(1 - b2^n)) + eps).
type adam struct {
	ok            *Node // whether the step is taken
	rate          *Node // the learning rate with the correction of the first moment; 0 for a step that is not taken
	second        *Node // the correction of the second moment
	first, square *Node // 1 - b1 and 1 - b2; 0 for a step that is not taken
}

const adamFirst, adamSecond, adamEpsilon = 0.9, 0.999, 1e-7

// newAdam prepares step i, counted from 0, at a learning rate. Where ok is false the step changes nothing, whatever the
// gradient: its rates are 0.
func newAdam(i, rate, ok *Node) adam {
	missing := func(beta float64) *Node { // 1 - beta^(i+1), to the last digit at small i
		n := stepsTaken(i, rate)
		return Neg(Expm1(Mul(n, ConstAs(n, math.Log(beta)))))
	}
	return adam{
		ok: ok, rate: orNothing(ok, Div(rate, missing(adamFirst))), second: Reciprocal(missing(adamSecond)),
		first: orNothing(ok, ConstAs(rate, 1-adamFirst)), square: orNothing(ok, ConstAs(rate, 1-adamSecond)),
	}
}

// apply returns the weights and moments after a step along the gradient.
func (a adam) apply(w, grad, first, second *Node) (newW, newFirst, newSecond *Node) {
	grad = orNothing(a.ok, grad)
	first, second = towards(first, grad, a.first), towards(second, Square(grad), a.square)
	size := Sqrt(Mul(second, a.second))
	size = Add(size, ConstAs(size, adamEpsilon))
	return Sub(w, Div(Mul(a.rate, first), size)), first, second
}

// averageRamp is the half-life of the average of the weights, as a part of the steps taken, before it reaches that of the
// decay EMA: the ramp of Karras et al. (2022, arXiv 2206.00364, appendix F.2). Without it a decay of .999 remembers the
// first thousand weights, which are far from the last ones.
const averageRamp = 0.05

// averaging is how far the averages move towards the weights of step i, counted from 0:
//
//	max(1 - EMA, 1 - 2^(-1/(averageRamp (i+1)))),
//
// where fresh is 1 - EMA.
func averaging(i, fresh *Node) *Node {
	n := stepsTaken(i, fresh)
	ramp := Neg(Expm1(Div(ConstAs(n, -math.Ln2/averageRamp), n)))
	return Max(fresh, ramp)
}

// towards moves old to now by a part of the way.
func towards(old, now, part *Node) *Node { return Add(old, Mul(part, Sub(now, old))) }

// orNothing is v where ok is true and 0 elsewhere: a step whose gradients and rates are 0 and whose decays are
// 1 changes nothing, and costs less than to choose between the old state and the new one.
func orNothing(ok, v *Node) *Node { return Where(ok, v, ZerosLike(v)) }

// stepsTaken is i + 1 in the type of like.
func stepsTaken(i, like *Node) *Node {
	n := ConvertDType(i, like.DType())
	return Add(n, ConstAs(n, 1.0))
}
