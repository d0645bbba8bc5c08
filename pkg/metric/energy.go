package metric

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"sync"

	"gonum.org/v1/gonum/mat"
)

// EnergyDistance estimates 2 E|X-Y| - E|X-X'| - E|Y-Y'| (Szekely & Rizzo, J. Stat. Plan. Inference 143, 2013) from
// the samples x [n, d] and y [m, d] by the U-statistic, which leaves out the zero distances of a sample to itself.
// It is unbiased: equal laws give values around 0 of either sign. The unit is that of x.
// Time O((n+m)^2 d), no memory beyond a copy of the samples.
func EnergyDistance(x, y mat.Matrix) (float64, error) {
	xs, ys, n, m, d, err := pair(x, y)
	if err != nil {
		return 0, err
	}
	var xy, xx, yy float64
	xy = sumRows(n, func(i int, buf []float64) float64 { return total(distances(xs[i*d:(i+1)*d], ys, buf)) }, m)
	xx = sumRows(n, func(i int, buf []float64) float64 { return total(distances(xs[i*d:(i+1)*d], xs[(i+1)*d:], buf)) }, n)
	yy = sumRows(m, func(i int, buf []float64) float64 { return total(distances(ys[i*d:(i+1)*d], ys[(i+1)*d:], buf)) }, m)
	return energy(xy, xx, yy, n, m), nil
}

// energy turns sums of distances over all pairs (xy) and over unordered pairs (xx, yy) into the U-statistic.
func energy(xy, xx, yy float64, n, m int) float64 {
	fn, fm := float64(n), float64(m)
	return 2*xy/(fn*fm) - 2*xx/(fn*(fn-1)) - 2*yy/(fm*(fm-1))
}

// sumRows adds f over rows 0..n-1 with two goroutines that take alternate rows, so that triangular work is shared
// evenly. Each goroutine sums in a fixed order: the result does not depend on timing. buf holds width values.
func sumRows(n int, f func(i int, buf []float64) float64, width int) float64 {
	var parts [workers]float64
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			buf := make([]float64, width)
			for i := w; i < n; i += workers {
				parts[w] += f(i, buf)
			}
		})
	}
	wg.Wait()
	return total(parts[:])
}

const workers = 2

// distances writes the Euclidean distances from p [d] to the rows of q [k, d] into buf and returns buf[:k].
func distances(p, q, buf []float64) []float64 {
	d := len(p)
	buf = buf[:len(q)/d]
	switch d {
	case 1:
		for j := range buf {
			buf[j] = math.Abs(p[0] - q[j])
		}
	case 2:
		for j := range buf {
			a, b := p[0]-q[2*j], p[1]-q[2*j+1]
			buf[j] = math.Sqrt(a*a + b*b)
		}
	default:
		for j := range buf {
			var s float64
			for k, v := range q[j*d : (j+1)*d] {
				s += (p[k] - v) * (p[k] - v)
			}
			buf[j] = math.Sqrt(s)
		}
	}
	return buf
}

func total(a []float64) float64 {
	var s float64
	for _, v := range a {
		s += v
	}
	return s
}

// EnergyTest is the outcome of EnergyTwoSample.
type EnergyTest struct {
	Distance float64   // U-statistic of the two samples, may be negative
	Null99   float64   // 99% quantile of Null: equal laws stay below it 99 times in 100
	P        float64   // permutation p-value (1 + #{null >= distance}) / (1 + permutations), in (0, 1]
	Null     []float64 // distances of the permuted samples, ascending
}

// NullAt is the q quantile of the null, 0 < q < 1: with q = 1 - 0.01/k, k tests of equal laws all stay below theirs at
// least 99 times in 100. It is only as fine as the number of permutations.
func (e EnergyTest) NullAt(q float64) float64 { return quantile(e.Null, q) }

// EnergyTwoSample tests whether x [n, d] and y [m, d] have one law: it computes their energy distance and its null
// by drawing `permutations` (at least 99, so that a 99% quantile exists) random splits of the pooled sample into
// n and m rows. Distances of the pooled sample are computed once per row and shared by all permutations, so the memory
// is O((n+m) permutations) and 2000 + 2000 samples with 200 permutations take under a second.
func EnergyTwoSample(rng *rand.Rand, x, y mat.Matrix, permutations int) (EnergyTest, error) {
	xs, ys, n, m, d, err := pair(x, y)
	if err != nil {
		return EnergyTest{}, err
	}
	if rng == nil {
		return EnergyTest{}, fmt.Errorf("metric: rng is nil, want a seeded generator")
	}
	if permutations < 99 {
		return EnergyTest{}, fmt.Errorf("metric: %d permutations, want at least 99 for a 99%% null quantile", permutations)
	}
	all := splitEnergies(slices.Concat(xs, ys), d, splits(rng, n, m, permutations))
	test := EnergyTest{Distance: all[0], Null: all[1:]}
	slices.Sort(test.Null)
	test.Null99 = quantile(test.Null, 0.99)
	above, _ := slices.BinarySearch(test.Null, test.Distance)
	test.P = float64(1+permutations-above) / float64(1+permutations)
	return test, nil
}

// split holds the pooled row numbers, ascending, of one of the two groups, and the group's complement size.
type split struct {
	group []int32 // the smaller group, which is the cheaper one to sum over
	other int
}

// splits returns the observed split (x first) and then `permutations` random ones. The energy distance is symmetric,
// so it does not matter which of the two groups is called x.
func splits(rng *rand.Rand, n, m, permutations int) []split {
	small := min(n, m)
	all := make([]split, permutations+1)
	perm := make([]int32, n+m)
	for i := range perm {
		perm[i] = int32(i)
	}
	first := perm[:n]
	if m < n {
		first = perm[n:]
	}
	all[0] = split{slices.Clone(first), n + m - small}
	for k := 1; k <= permutations; k++ {
		rng.Shuffle(len(perm), func(i, j int) { perm[i], perm[j] = perm[j], perm[i] })
		group := slices.Clone(perm[:small])
		slices.Sort(group)
		all[k] = split{group, n + m - small}
	}
	return all
}

// splitEnergies returns the energy distance of every split of the pooled sample z [N, d]. With R_i the sum of
// distances from row i and T the sum over all pairs, a group G with inner pair sum S has cross sum sum_G R_i - 2 S
// and its complement the pair sum T - S - cross, so only S depends on the split.
func splitEnergies(z []float64, d int, all []split) []float64 {
	N := len(z) / d
	var inner, rowSum [workers][]float64 // S of each split and R_i, each worker's part
	var wg sync.WaitGroup
	for w := range workers {
		wg.Go(func() {
			S, R := make([]float64, len(all)), make([]float64, N)
			inner[w], rowSum[w] = S, R
			buf := make([]float64, N)
			next := make([]int, len(all)) // position in each group of the first row > i
			for i := range N {
				mine := i%workers == w
				var dist []float64
				if mine {
					dist = distances(z[i*d:(i+1)*d], z[(i+1)*d:], buf)
					for j, v := range dist {
						R[i] += v
						R[i+1+j] += v
					}
				}
				for k, s := range all {
					if next[k] == len(s.group) || s.group[next[k]] != int32(i) {
						continue
					}
					next[k]++
					if mine {
						S[k] += gather(dist, s.group[next[k]:], int32(i+1))
					}
				}
			}
		})
	}
	wg.Wait()
	return energies(all, add(inner), add(rowSum))
}

// gather adds dist[j-offset] over the rows j.
func gather(dist []float64, rows []int32, offset int32) float64 {
	var s float64
	for _, j := range rows {
		s += dist[j-offset]
	}
	return s
}

func energies(all []split, inner, rowSum []float64) []float64 {
	T := total(rowSum) / 2
	e := make([]float64, len(all))
	for k, s := range all {
		S := inner[k]
		cross := -2 * S
		for _, i := range s.group {
			cross += rowSum[i]
		}
		e[k] = energy(cross, S, T-S-cross, len(s.group), s.other)
	}
	return e
}

// add sums the workers' parts entry by entry.
func add(parts [workers][]float64) []float64 {
	sum := slices.Clone(parts[0])
	for _, p := range parts[1:] {
		for i, v := range p {
			sum[i] += v
		}
	}
	return sum
}

// quantile is the smallest value of the ascending sample a with at least a fraction q of it at or below.
func quantile(a []float64, q float64) float64 {
	return a[max(0, int(math.Ceil(q*float64(len(a))))-1)]
}
