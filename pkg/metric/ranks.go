package metric

import (
	"fmt"
	"math/rand/v2"
	"sort"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"
)

// Ranks holds the rank statistics of simulation-based calibration (Talts, Betancourt, Simpson, Vehtari and Gelman, arXiv
// 1804.06788): in each of S simulations a parameter is drawn from its prior, data from the parameter, and L values from
// the posterior given the data. If the posterior is right, the number of values below the parameter is uniform on
// 0..L. A posterior that is too wide heaps the ranks in the middle, one too narrow at both ends, a biased one at one end.
type Ranks struct {
	S      int   // simulations
	L      int   // posterior draws per simulation
	Counts []int // simulations with rank r, [L+1]
}

// bandLevel is the probability of the bands of Ranks: two-sided, at each point of its own.
const bandLevel = 0.99

// RanksOf ranks truth[s] among row s of draws, [S, L], which must be independent draws from the posterior of simulation
// s. Ties are broken at random by rng. It returns an error if a size does not fit, a value is not finite, or rng is nil.
func RanksOf(truth []float64, draws mat.Matrix, rng *rand.Rand) (Ranks, error) {
	if err := finite("truth", truth, 1); err != nil {
		return Ranks{}, err
	}
	data, n, l, err := rows("draws", draws, 1)
	if err != nil {
		return Ranks{}, err
	}
	if n != len(truth) {
		return Ranks{}, fmt.Errorf("metric: draws has %d rows for %d values of truth, want the same number", n, len(truth))
	}
	if rng == nil {
		return Ranks{}, fmt.Errorf("metric: rng is nil, want a source of randomness to break ties")
	}
	r := Ranks{S: n, L: l, Counts: make([]int, l+1)}
	for s, v := range truth {
		below, equal := 0, 0
		for _, x := range data[s*l : (s+1)*l] {
			if x < v {
				below++
			} else if x == v {
				equal++
			}
		}
		r.Counts[below+rng.IntN(equal+1)]++
	}
	return r, nil
}

// Bins returns the histogram of the ranks in equal bins, whose number must divide L+1.
func (r Ranks) Bins(bins int) ([]int, error) {
	if bins < 1 || (r.L+1)%bins != 0 {
		return nil, fmt.Errorf("metric: %d bins for the ranks 0 to %d, want a divisor of %d", bins, r.L, r.L+1)
	}
	counts := make([]int, bins)
	width := (r.L + 1) / bins
	for rank, n := range r.Counts {
		counts[rank/width] += n
	}
	return counts, nil
}

// ChiSquared tests that the ranks are uniform: the sum over at least 2 bins of (count - S/bins)^2 / (S/bins), and its
// p-value from the chi-squared law with bins-1 degrees of freedom, which needs S/bins >= 5.
func (r Ranks) ChiSquared(bins int) (stat, p float64, err error) {
	counts, err := r.Bins(bins)
	if err != nil {
		return 0, 0, err
	}
	if bins < 2 || r.S < 5*bins {
		return 0, 0, fmt.Errorf("metric: %d simulations in %d bins, want at least 2 bins and 5 simulations for each", r.S, bins)
	}
	expected := float64(r.S) / float64(bins)
	for _, n := range counts {
		stat += (float64(n) - expected) * (float64(n) - expected) / expected
	}
	return stat, distuv.ChiSquared{K: float64(bins - 1)}.Survival(stat), nil
}

// Band returns the range in which a count of Bins lies with probability 0.99 if the ranks are uniform: the binomial
// quantiles at 0.005 and 0.995. Of many bins some leave it by chance.
func (r Ranks) Band(bins int) (low, high int, err error) {
	if _, err := r.Bins(bins); err != nil {
		return 0, 0, err
	}
	low, high = r.band(1 / float64(bins))
	return low, high, nil
}

// ECDF returns for each rank 0..L the share of simulations of at most that rank less its value under uniformity,
// (rank+1)/(L+1), and the range of that difference with probability 0.99 at each rank. It shows small biases, which a
// histogram spreads over its bins. The last difference is 0.
func (r Ranks) ECDF() (difference, low, high []float64) {
	n := float64(r.S)
	sum := 0
	for rank, count := range r.Counts {
		sum += count
		p := float64(rank+1) / float64(r.L+1)
		lowest, highest := r.band(p)
		difference = append(difference, float64(sum)/n-p)
		low, high = append(low, float64(lowest)/n-p), append(high, float64(highest)/n-p)
	}
	return difference, low, high
}

// band returns quantiles of the binomial law of S trials with probability 0 < p <= 1 of success.
func (r Ranks) band(p float64) (low, high int) {
	if p == 1 {
		return r.S, r.S
	}
	law := distuv.Binomial{N: float64(r.S), P: p}
	quantile := func(q float64) int {
		return sort.Search(r.S, func(k int) bool { return law.CDF(float64(k)) >= q })
	}
	return quantile((1 - bandLevel) / 2), quantile((1 + bandLevel) / 2)
}
