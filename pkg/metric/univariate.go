package metric

import (
	"fmt"
	"math"
	"slices"
)

// KS is the one-sample Kolmogorov-Smirnov test of sample against the continuous law with distribution function cdf
// (values in [0, 1]): stat = sup |F_n - F| and its p-value from the Kolmogorov limit with Stephens' finite-n argument
// (sqrt(n) + 0.12 + 0.11/sqrt(n)) stat, J. R. Stat. Soc. B 32, 1970, good for n >= 5.
func KS(sample []float64, cdf func(float64) float64) (stat, p float64, err error) {
	if err := finite("sample", sample, 5); err != nil {
		return 0, 0, err
	}
	sorted := slices.Clone(sample)
	slices.Sort(sorted)
	n := float64(len(sorted))
	for i, v := range sorted {
		f := cdf(v)
		if !(f >= 0 && f <= 1) {
			return 0, 0, fmt.Errorf("metric: cdf(%v) = %v, want a value in [0, 1]", v, f)
		}
		stat = max(stat, f-float64(i)/n, float64(i+1)/n-f)
	}
	root := math.Sqrt(n)
	return stat, kolmogorovTail((root + 0.12 + 0.11/root) * stat), nil
}

// kolmogorovTail is P(sup|B| > z) for the Brownian bridge B. The alternating series converges fast for large z,
// its Jacobi theta transform for small z.
func kolmogorovTail(z float64) float64 {
	if z <= 0 {
		return 1
	}
	if z < 1 {
		var s float64
		for k := 1.0; k <= 7; k += 2 {
			s += math.Exp(-k * k * math.Pi * math.Pi / (8 * z * z))
		}
		return 1 - math.Sqrt(2*math.Pi)/z*s
	}
	var s float64
	for k := 1.0; k <= 5; k++ {
		s += 2 * math.Pow(-1, k-1) * math.Exp(-2*k*k*z*z)
	}
	return s
}

// Wasserstein1 is the distance W1 between the empirical laws of a and b, the integral of |F_a - F_b|.
// Lengths may differ; the unit is that of the samples. Time O(n log n).
func Wasserstein1(a, b []float64) (float64, error) {
	if err := finite("a", a, 1); err != nil {
		return 0, err
	}
	if err := finite("b", b, 1); err != nil {
		return 0, err
	}
	a, b = slices.Clone(a), slices.Clone(b)
	slices.Sort(a)
	slices.Sort(b)
	var w float64
	i, j := 0, 0
	at := min(a[0], b[0])
	for i < len(a) || j < len(b) {
		next := math.Inf(1)
		if i < len(a) {
			next = a[i]
		}
		if j < len(b) {
			next = min(next, b[j])
		}
		w += math.Abs(float64(i)/float64(len(a))-float64(j)/float64(len(b))) * (next - at)
		at = next
		for i < len(a) && a[i] == at {
			i++
		}
		for j < len(b) && b[j] == at {
			j++
		}
	}
	return w, nil
}

// Slope fits y = a + slope*x by least squares and returns the slope with its standard error from the residuals.
// With x = log(step) and y = log(error) it is an order of convergence. At least 3 points; x must not be constant.
func Slope(x, y []float64) (slope, stderr float64, err error) {
	if err := finite("x", x, 3); err != nil {
		return 0, 0, err
	}
	if err := finite("y", y, 3); err != nil {
		return 0, 0, err
	}
	if len(x) != len(y) {
		return 0, 0, fmt.Errorf("metric: x has %d values and y has %d, want the same number", len(x), len(y))
	}
	n := float64(len(x))
	mx, my := total(x)/n, total(y)/n
	var sxx, sxy float64
	for i := range x {
		sxx += (x[i] - mx) * (x[i] - mx)
		sxy += (x[i] - mx) * (y[i] - my)
	}
	if sxx == 0 {
		return 0, 0, fmt.Errorf("metric: all x equal %v, want at least two different values for a slope", x[0])
	}
	slope = sxy / sxx
	var rss float64
	for i := range x {
		e := y[i] - my - slope*(x[i]-mx)
		rss += e * e
	}
	return slope, math.Sqrt(rss / (n - 2) / sxx), nil
}
