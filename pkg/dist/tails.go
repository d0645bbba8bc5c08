package dist

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/floats"
)

// Univariate is a law on the real line with a known distribution function.
type Univariate interface {
	Law
	// LogTails returns log P(X <= x) and log P(X > x), each to full relative precision: the smaller of the two is never
	// one minus the other. It panics if the law is not one-dimensional.
	LogTails(x float64) (lower, upper float64)
}

// LogTails implements Univariate, for Uniforms on an interval.
func (u Uniform) LogTails(x float64) (lower, upper float64) {
	checkLine(u)
	if x > u.Mean()[0] { // the law is symmetric, and the smaller tail is the one to compute
		lower, upper = u.lowerTail(u.lo[0] + u.hi[0] - x)
		return upper, lower
	}
	return u.lowerTail(x)
}

// lowerTail is LogTails of x up to the centre. P(X <= x) is the mean of the normal distribution function over the noise
// [(x - hi)/std, (x - lo)/std] that is consistent with x.
func (u Uniform) lowerTail(x float64) (lower, upper float64) {
	edge := u.hi[0] - u.lo[0]
	if u.std == 0 {
		lower = math.Log(max(x-u.lo[0], 0) / edge)
	} else {
		lower = min(logMeanPhi((x-u.hi[0])/u.std, (x-u.lo[0])/u.std, edge/u.std), -math.Ln2)
	}
	return lower, math.Log1p(-math.Exp(lower))
}

// logMeanPhi is the log of the mean of Phi over [a, b] with b - a = width and a + b <= 0: [psi(b) - psi(a)]/width with
// psi(z) = z Phi(z) + phi(z), the integral of Phi. On a short interval, where that difference cancels, it is a sum of
// positive terms.
func logMeanPhi(a, b, width float64) float64 {
	if width*max(1, -a) <= 2 {
		mean := 0.0
		top := logPhi(b)
		for _, p := range legendre() {
			step := p.node * width / 2
			mean += p.weight / 2 * (math.Exp(logPhi((a+b)/2+step)-top) + math.Exp(logPhi((a+b)/2-step)-top))
		}
		return top + math.Log(mean)
	}
	_, far := mills(-a)
	_, near := mills(math.Abs(b))
	logDensity := -b*b/2 - halfLog2Pi
	integral := near - math.Exp((b-a)*(b+a)/2)*far // over phi(b)
	if b <= 0 {
		return logDensity + math.Log(integral/width)
	}
	return math.Log((b + math.Exp(logDensity)*integral) / width) // psi(b) = b + psi(-b)
}

// LogTails implements Univariate, for one-dimensional Gaussians.
func (g Gaussian) LogTails(x float64) (lower, upper float64) {
	checkLine(g)
	return g.logTails(0, x)
}

// LogTails implements Univariate, for one-dimensional mixtures.
func (m Mixture) LogTails(x float64) (lower, upper float64) {
	checkLine(m)
	lowers, uppers := make([]float64, len(m.weights)), make([]float64, len(m.weights))
	for k, w := range m.weights {
		l, u := m.components.logTails(k, x)
		lowers[k], uppers[k] = math.Log(w)+l, math.Log(w)+u
	}
	// The larger sum would lose what it lacks to 1.
	lower, upper = floats.LogSumExp(lowers), floats.LogSumExp(uppers)
	if lower < upper {
		return lower, math.Log1p(-math.Exp(lower))
	}
	return math.Log1p(-math.Exp(upper)), upper
}

// logTails are the tails of component k, a step if it is a point mass.
func (c *components) logTails(k int, x float64) (lower, upper float64) {
	shift, std := x-c.means.At(k, 0), math.Sqrt(c.vars.At(k, 0))
	switch {
	case std > 0:
		return logPhi(shift / std), logPhi(-shift / std)
	case shift >= 0:
		return 0, math.Inf(-1)
	default:
		return math.Inf(-1), 0
	}
}

// checkLine panics unless the law is one-dimensional.
func checkLine(l Law) {
	if l.Dim() != 1 {
		panic(fmt.Errorf("dist: tails of %s, which has %d dimensions, want 1", l, l.Dim()))
	}
}

// logPhi is the log of the standard normal distribution function.
func logPhi(z float64) float64 {
	if z > 0 {
		return math.Log1p(-math.Erfc(z/math.Sqrt2) / 2)
	}
	m, _ := mills(-z)
	return math.Log(m) - z*z/2 - halfLog2Pi
}

// mills returns, over the normal density at z >= 0, the upper tail Q (Mills' ratio) and the integral of Q beyond z. The
// repeated integrals Q_n of Q obey n Q_n = Q_{n-2} - z Q_{n-1} with Q_{-1} = phi, so that their quotients are a continued
// fraction without subtractions (Gautschi, SIAM Review 9, 1967); near 0, where it converges slowly, the definition serves.
func mills(z float64) (tail, integral float64) {
	if z < 3 {
		tail = math.Erfc(z/math.Sqrt2) / 2 * math.Sqrt(2*math.Pi) * math.Exp(z*z/2)
		return tail, 1 - z*tail
	}
	ratio := 0.0 // Q_n/Q_{n-1}
	for n := 150.0; n >= 2; n-- {
		ratio = 1 / (z + n*ratio)
	}
	tail = 1 / (z + ratio)
	return tail, tail * ratio
}
