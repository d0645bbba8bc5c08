package dist

import (
	"math"
	"sync"

	. "github.com/gomlx/gomlx/core/graph"
)

// besselPair evaluates exp(-w) I_0(w) and exp(-w) I_1(w)/w of a node w >= 0, the modified Bessel functions whose
// quotient is the mean direction of the von Mises law.
//
// With t = k/(k+w), both are smooth on 0 < t <= 1 once multiplied by the power of k+w that their asymptotic series
// starts with, so that Chebyshev series in t converge fast over all of w (the map of erfcx). The relative error is a few
// units of rounding.
func besselPair(w *Node) (zero, one *Node) {
	k := constant(w, besselKnee)
	t := Div(k, Add(k, w))
	inverse := Div(t, k) // 1/(k+w)
	root := Sqrt(inverse)
	series := besselSeries()
	return Mul(root, chebyshev(series[0], t)), Mul(Mul(root, inverse), chebyshev(series[1], t))
}

// chebyshev is the sum of c_j T_j(2t - 1) by Clenshaw's recurrence b_j = c_j + 2 s b_{j+1} - b_{j+2}, without the terms
// below the rounding of t's type.
func chebyshev(series []float64, t *Node) *Node {
	tiny := 1e-17
	if t.DType().Size() < 8 {
		tiny = 1e-9
	}
	terms := len(series)
	for math.Abs(series[terms-1]) < tiny*math.Abs(series[0]) {
		terms--
	}
	s := Sub(Mul(constant(t, 2.0), t), constant(t, 1.0))
	twice := Mul(constant(t, 2.0), s)
	next, after := constant(t, series[terms-1]), constant(t, 0.0)
	for j := terms - 2; j >= 1; j-- {
		next, after = Sub(Add(Mul(twice, next), constant(t, series[j])), after), next
	}
	return Sub(Add(Mul(s, next), constant(t, series[0])), after)
}

// besselKnee is k of the map t = k/(k+w). Near 6 both series are shortest: 21 terms reach 1e-9, 39 reach 1e-16.
const besselKnee = 6.0

// besselSeries returns the Chebyshev coefficients of exp(-w) I_n(w)/w^n (k+w)^(n+1/2) for n = 0 and 1.
var besselSeries = sync.OnceValue(func() (series [2][]float64) {
	const points, kept = 64, 40
	for order := range series {
		c := make([]float64, kept)
		for j := range points {
			angle := math.Pi * (float64(j) + 0.5) / points
			t := (1 + math.Cos(angle)) / 2
			f := hostBessel(order, besselKnee/t-besselKnee) * math.Pow(besselKnee/t, float64(order)+0.5)
			for i := range c {
				c[i] += 2.0 / points * f * math.Cos(float64(i)*angle)
			}
		}
		c[0] /= 2
		series[order] = c
	}
	return series
})

// hostBessel is exp(-w) I_n(w)/w^n for n = 0 or 1 and w >= 0: the power series, whose terms are positive, or where
// that of large arguments is exact to rounding (Abramowitz and Stegun 9.6.10 and 9.7.1).
func hostBessel(order int, w float64) float64 {
	n, sum := float64(order), 0.0
	if w < 25 {
		term := math.Exp(-w) / (1 + n)
		for k := 1.0; term > 1e-18*sum; k++ {
			sum += term
			term *= w * w / (4 * k * (k + n))
		}
		return sum
	}
	term := 1 / math.Sqrt(2*math.Pi*w)
	for k := 1.0; math.Abs(term) > 1e-18*sum; k++ {
		sum += term
		term *= ((2*k-1)*(2*k-1) - 4*n*n) / (8 * k * w)
	}
	return sum / math.Pow(w, n)
}
