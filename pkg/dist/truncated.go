package dist

import (
	"math"
	"sync"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/integrate/quad"
)

// truncated describes Z ~ N(0, 1) restricted to [c-h, c+h], which is the posterior of the noise when a point that is
// uniform on an interval was observed. All results keep their relative precision in the far tails and for h -> 0.
//
// Two forms share the plane. Where h max(c, 1) <= 1 (narrow) the difference of the two cdfs would cancel, and the
// integral of exp(-chu - h^2u^2/2) over u in [-1, 1] is done by Gauss-Legendre quadrature, a sum of positive terms.
// Elsewhere (wide) the cdfs differ by a factor of at least e^2 or by more than 0.3, and the difference is written with
// erfcx, scaled by the larger of the two tails.
type truncated struct {
	logMass *Node // log of the mean of the normal density over the interval: log [(Phi(c+h) - Phi(c-h)) / 2h]
	mean    *Node // E[Z]
	offset  *Node // (E[Z] - c) / h, in [-1, 1]
}

// truncate evaluates truncated for c >= 0, a = c - h (given because the caller knows it without cancellation) and h.
func truncate(c, a, h *Node) truncated {
	one := constant(c, 1.0)
	ch := Mul(c, h)
	isNarrow := LessOrEqual(Max(h, ch), one)
	n := narrow(c, upToOne(h), upToOne(ch))
	w := wide(c, a, h, ch, isNarrow)
	return truncated{
		logMass: Where(isNarrow, n.logMass, w.logMass),
		mean:    Where(isNarrow, n.mean, w.mean),
		offset:  Where(isNarrow, n.offset, w.offset),
	}
}

// upToOne is min(h, 1), with the derivative 1 at h = 1, where that of Min would be halved between the two.
func upToOne(h *Node) *Node {
	one := constant(h, 1.0)
	return Where(LessOrEqual(h, one), h, one)
}

// narrow uses quadrature; h and ch are at most 1.
func narrow(c, h, ch *Node) truncated {
	half := constant(c, 0.5)
	curvature := Mul(Square(h), half)
	mass, moment := constant(c, 0.0), constant(c, 0.0)
	for _, p := range legendre() {
		up := Exp(Mul(ch, constant(c, p.node)))
		down := Reciprocal(up)
		weight := Mul(Exp(Mul(curvature, constant(c, -p.node*p.node))), constant(c, p.weight/2))
		mass = Add(mass, Mul(weight, Add(up, down)))
		moment = Add(moment, Mul(Mul(weight, Sub(down, up)), constant(c, p.node)))
	}
	offset := Div(moment, mass)
	return truncated{
		logMass: Sub(Sub(Log(mass), Mul(Square(c), half)), constant(c, halfLog2Pi)),
		mean:    Add(c, Mul(h, offset)),
		offset:  offset,
	}
}

// wide uses erfcx. With q = exp(-2ch), the ratio of the normal densities at the two ends, the mass of the interval is
// exp(-a^2/2) (E(a) - q E(b)) / 2 if a >= 0 and 1 - exp(-a^2/2) (E(-a) + q E(b)) / 2 if a < 0, E(z) = erfcx(z/sqrt 2).
func wide(c, a, h, ch, isNarrow *Node) truncated {
	one, half, root := constant(c, 1.0), constant(c, 0.5), constant(c, math.Sqrt2)
	q := Exp(Mul(ch, constant(c, -2.0)))
	exponent := Mul(Square(a), constant(c, -0.5))
	density := Exp(exponent)
	near := erfcx(Div(Abs(a), root))
	far := Mul(q, erfcx(Div(Add(c, h), root)))
	outside := GreaterOrEqual(a, constant(c, 0.0))
	core := Where(outside, Mul(half, Sub(near, far)), Sub(one, Mul(half, Mul(density, Add(near, far)))))
	// The unused narrow elements get harmless values, so that no Inf or NaN reaches a gradient through Where.
	core = Where(isNarrow, one, core)
	ends := Mul(Sub(one, q), constant(c, 1/math.Sqrt(2*math.Pi)))
	mean := Div(Mul(ends, Where(outside, one, density)), core)
	length := Max(h, constant(c, 1e-15)) // only narrow elements are shorter
	return truncated{
		logMass: Sub(Add(Where(outside, exponent, constant(c, 0.0)), Log(core)), Log(Mul(length, constant(c, 2.0)))),
		mean:    mean,
		offset:  Div(Sub(mean, c), length),
	}
}

const halfLog2Pi = 0.91893853320467274178

// nodeWeight is a pair of quadrature nodes at +-node, whose weights sum to weight.
type nodeWeight struct{ node, weight float64 }

// legendre returns the 10-point rule for means over [-1, 1] as 5 pairs: exact to 1e-13 for the integrands of narrow.
var legendre = sync.OnceValue(func() []nodeWeight {
	const points = 10
	x, w := make([]float64, points), make([]float64, points)
	quad.Legendre{}.FixedLocations(x, w, -1, 1)
	var pairs []nodeWeight
	for i := range x {
		if x[i] > 0 {
			pairs = append(pairs, nodeWeight{x[i], w[i]})
		}
	}
	return pairs
})
