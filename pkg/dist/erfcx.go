package dist

import (
	"math"
	"sync"

	. "github.com/gomlx/gomlx/core/graph"
)

// erfcx is the scaled complementary error function exp(z^2) erfc(z) of a node z >= 0. The tails of a noised uniform
// law need it because erfc itself underflows: at z = 10 in float32 and at z = 27 in float64.
//
// With t = 2/(2+z), log(erfcx(z)/t) is smooth on 0 < t <= 1 and bounded at both ends, so its Chebyshev series converges
// fast; this form is due to Schonfelder (Math. Comp. 32, 1978). The relative error is a few units of rounding.
func erfcx(z *Node) *Node {
	two := constant(z, 2.0)
	t := Div(two, Add(two, z))
	s := Sub(Mul(two, t), constant(z, 1.0))
	twice := Mul(two, s)
	series := erfcxSeries()
	tiny := 1e-17
	if z.DType().Size() < 8 {
		tiny = 1e-9
	}
	terms := len(series)
	for math.Abs(series[terms-1]) < tiny {
		terms--
	}
	// Clenshaw's recurrence b_k = c_k + 2 s b_{k+1} - b_{k+2}; the sum is c_0 + s b_1 - b_2.
	next, after := constant(z, series[terms-1]), constant(z, 0.0)
	for k := terms - 2; k >= 1; k-- {
		next, after = Sub(Add(Mul(twice, next), constant(z, series[k])), after), next
	}
	return Mul(t, Exp(Sub(Add(Mul(s, next), constant(z, series[0])), after)))
}

// erfcxSeries returns the Chebyshev coefficients of log(erfcx(z)/t) in s = 2t - 1, by the discrete cosine transform
// of its values at the Chebyshev points.
var erfcxSeries = sync.OnceValue(func() []float64 {
	const points, kept = 64, 40
	coefficients := make([]float64, kept)
	for j := range points {
		angle := math.Pi * (float64(j) + 0.5) / points
		t := (1 + math.Cos(angle)) / 2
		f := math.Log(hostErfcx(2/t-2) / t)
		for k := range coefficients {
			coefficients[k] += 2.0 / points * f * math.Cos(float64(k)*angle)
		}
	}
	coefficients[0] /= 2
	return coefficients
})

// hostErfcx is erfcx of z >= 0: the definition where erfc is large, else its continued fraction
// (Abramowitz and Stegun 7.1.14), evaluated from the tail.
func hostErfcx(z float64) float64 {
	if z < 2 {
		return math.Exp(z*z) * math.Erfc(z)
	}
	tail := z
	for k := 200; k >= 1; k-- {
		tail = z + float64(k)/2/tail
	}
	return 1 / (math.Sqrt(math.Pi) * tail)
}
