package metric

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Mode is what the samples nearest to one centre look like.
type Mode struct {
	N        int       // number of samples
	Weight   float64   // their share of all samples, 0..1
	WeightSE float64   // standard error of Weight
	Mean     []float64 // [d]; NaN when N = 0
	MeanSE   []float64 // [d]; NaN when N < 2
	Std      float64   // per-coordinate standard deviation, pooled over the d coordinates; NaN when N < 2
	StdSE    float64   // standard error of Std, free of any assumption on the law; NaN when N < 2
}

// ModeStats assigns each row of x [n, d] to the nearest row of centres [k, d] and returns the statistics of the k
// groups, in the order of centres. For an isotropic mixture whose centres lie many standard deviations apart these are
// the weights, means and standard deviations of its components; each component loses the tail beyond the bisectors
// (four centres on the unit circle with std 0.2: a change of Std below 1e-3).
// A mode without samples has weight 0 and Std NaN, so that no bound on it can pass.
func ModeStats(x, centres mat.Matrix) ([]Mode, error) {
	near, err := nearest(x, centres)
	if err != nil {
		return nil, err
	}
	modes := make([]Mode, near.k)
	for c := range modes {
		var members []int
		for i, a := range near.centre {
			if a == c {
				members = append(members, i)
			}
		}
		modes[c] = near.mode(members)
	}
	return modes, nil
}

// OutOfK returns the fraction of rows of x [n, d] that lie further than k*std from the nearest row of centres, with
// its standard error. std > 0 is the component's per-coordinate standard deviation and k > 0 the radius in units of it.
// In two dimensions the exact fraction for well separated modes is exp(-k^2/2): 0.00219 at k = 3.5.
func OutOfK(x, centres mat.Matrix, std, k float64) (fraction, stderr float64, err error) {
	if err := checkRadius(std, k); err != nil {
		return 0, 0, err
	}
	near, err := nearest(x, centres)
	if err != nil {
		return 0, 0, err
	}
	out := 0
	for _, r := range near.distance {
		if r > k*std {
			out++
		}
	}
	return float64(out) / float64(near.n), shareSE(out, near.n), nil
}

// checkRadius checks a radius k*std.
func checkRadius(std, k float64) error {
	if !(std > 0) || !(k > 0) || math.IsInf(std*k, 0) {
		return fmt.Errorf("metric: std = %v and k = %v, want both positive and finite", std, k)
	}
	return nil
}

// assignment is a sample with the nearest centre of each row.
type assignment struct {
	data     []float64 // [n, d]
	n, d, k  int
	centre   []int     // [n], 0..k-1
	distance []float64 // [n], to that centre
}

func nearest(x, centres mat.Matrix) (assignment, error) {
	data, n, d, err := rows("x", x, 1)
	if err != nil {
		return assignment{}, err
	}
	cs, k, dc, err := rows("centres", centres, 1)
	if err != nil {
		return assignment{}, err
	}
	if d != dc {
		return assignment{}, fmt.Errorf("metric: x has %d columns and centres has %d, want the same dimension", d, dc)
	}
	a := assignment{data, n, d, k, make([]int, n), make([]float64, n)}
	buf := make([]float64, k)
	for i := range n {
		a.distance[i] = math.Inf(1)
		for c, r := range distances(data[i*d:(i+1)*d], cs, buf) {
			if r < a.distance[i] {
				a.centre[i], a.distance[i] = c, r
			}
		}
	}
	return a, nil
}

// mode computes the statistics of the given rows. The standard error of Std follows from that of the variance, which
// is the mean over rows of q = |x - mean|^2 / d, by the delta method: se(std) = se(var) / (2 std).
func (a assignment) mode(members []int) Mode {
	N := float64(len(members))
	m := Mode{
		N: len(members), Weight: N / float64(a.n), WeightSE: shareSE(len(members), a.n),
		Mean: make([]float64, a.d), MeanSE: make([]float64, a.d),
	}
	for _, i := range members {
		for j := range a.d {
			m.Mean[j] += a.data[i*a.d+j] / N
		}
	}
	square := make([]float64, a.d) // sums of squared deviations
	q := make([]float64, len(members))
	for k, i := range members {
		for j := range a.d {
			e := a.data[i*a.d+j] - m.Mean[j]
			square[j] += e * e
			q[k] += e * e / float64(a.d)
		}
	}
	var pooled float64
	for j := range a.d {
		pooled += square[j] / (N - 1) / float64(a.d)
		m.MeanSE[j] = math.Sqrt(square[j] / (N - 1) / N)
	}
	if len(members) == 0 { // 0/-1 is no estimate
		pooled = math.NaN()
		for j := range a.d {
			m.Mean[j], m.MeanSE[j] = math.NaN(), math.NaN()
		}
	}
	m.Std = math.Sqrt(pooled)
	m.StdSE = meanSE(q) / (2 * m.Std)
	return m
}

// shareSE is the binomial standard error of a share k/n, taken at (k+1)/(n+2) so that it is not 0 when k is 0 or n.
func shareSE(k, n int) float64 {
	p := float64(k+1) / float64(n+2)
	return math.Sqrt(p * (1 - p) / float64(n))
}

// meanSE is the standard error of the mean of q; NaN for fewer than two values.
func meanSE(q []float64) float64 {
	n := float64(len(q))
	mean := total(q) / n
	var s float64
	for _, v := range q {
		s += (v - mean) * (v - mean)
	}
	return math.Sqrt(s / (n - 1) / n)
}
