package noise

import (
	"math"
	"slices"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

// threefryOnHost is the block function of Salmon et al. (2011), section 3.3, word by word.
func threefryOnHost(key, counter [2]uint32) [2]uint32 {
	schedule := [3]uint32{key[0], key[1], key[0] ^ key[1] ^ 0x1BD11BDA}
	x := [2]uint32{counter[0] + schedule[0], counter[1] + schedule[1]}
	for round := range 20 {
		r := [8]uint32{13, 15, 26, 6, 17, 29, 16, 24}[round%8]
		x[0] += x[1]
		x[1] = (x[1]<<r | x[1]>>(32-r)) ^ x[0]
		if s := uint32(round/4 + 1); round%4 == 3 {
			x[0] += schedule[s%3]
			x[1] += schedule[(s+1)%3] + s
		}
	}
	return x
}

// TestWords: every word is the block function of its key and its own counter, on both engines.
func TestWords(t *testing.T) {
	seeds := []int64{0, 7, -1, 1 << 40}
	keys := make([][]uint32, len(seeds))
	for k, seed := range seeds {
		key := Key(seed)
		keys[k] = key[:]
	}
	for name, b := range backendtest.All(t) {
		for _, c := range []struct{ n, step, stream int }{{5, 0, 0}, {3, 123_456_789, 7}} {
			out := MustExecOnceN(b, func(keys, step *Node) []*Node {
				a, b := Words(keys, step, c.stream, c.n)
				return []*Node{a, b}
			}, keys, int32(c.step))
			a, b := tensors.MustCopyFlatData[uint32](out[0]), tensors.MustCopyFlatData[uint32](out[1])
			for k, seed := range seeds {
				for i := range c.n {
					want := threefryOnHost(Key(seed), [2]uint32{uint32(i), uint32(Streams*c.step + c.stream)})
					if got := [2]uint32{a[k*c.n+i], b[k*c.n+i]}; got != want {
						t.Errorf("%s: word %d of seed %d is %x, want %x", name, i, seed, got, want)
					}
				}
			}
		}
	}
}

// TestKeyedLaws: the numbers of neighbouring seeds, streams and steps have the moments of their laws and are not correlated,
// within five standard errors.
func TestKeyedLaws(t *testing.T) {
	const n, below = 1 << 16, 1000
	for name, b := range backendtest.All(t) {
		out := MustExecOnceN(b, func(keys, step *Node) []*Node {
			next := Add(step, Const(step.Graph(), int32(1)))
			a, b := Words(keys, step, 1, n)
			return []*Node{KeyedNormal(keys, step, 0, n), KeyedNormal(keys, next, 0, n), Uniform(a), Below(b, below)}
		}, [][]uint32{{3, 0}, {4, 0}}, int32(10))
		var columns [][]float64
		for _, o := range out[:3] {
			flat := tensors.MustCopyFlatData[float32](o)
			for k := range 2 {
				column := make([]float64, n)
				for i := range column {
					column[i] = float64(flat[k*n+i])
				}
				columns = append(columns, column)
			}
		}
		within := func(what string, got, want, sd float64) {
			if !(math.Abs(got-want) <= 5*sd/math.Sqrt(n)) {
				t.Errorf("%s: %s is %.5f, want %g within %.5f", name, what, got, want, 5*sd/math.Sqrt(n))
			}
		}
		for k, c := range columns {
			mean, variance, kurtosis := 0.0, 1.0, 3.0
			if k >= 4 {
				mean, variance, kurtosis = 0.5, 1.0/12, 9.0/5
				if slices.Min(c) < 0 || slices.Max(c) >= 1 {
					t.Errorf("%s: uniform numbers from %g to %g", name, slices.Min(c), slices.Max(c))
				}
			}
			m, v := stat.MeanVariance(c, nil)
			within("a mean", m, mean, math.Sqrt(variance))
			within("a variance", v, variance, variance*math.Sqrt(kurtosis-1))
			within("correlation of neighbours", stat.Correlation(c[1:], c[:n-1], nil), 0, 1)
			for _, other := range columns[:k] {
				within("correlation of two draws", stat.Correlation(c, other, nil), 0, 1)
			}
		}
		counts := make([]float64, below)
		for _, v := range tensors.MustCopyFlatData[int32](out[3]) {
			if v < 0 || v >= below {
				t.Fatalf("%s: got %d, want 0 <= number < %d", name, v, below)
			}
			counts[v]++
		}
		const each = 2.0 * n / below
		chi := 0.0
		for _, c := range counts {
			chi += (c - each) * (c - each) / each
		}
		if math.Abs(chi-below) > 5*math.Sqrt(2*below) {
			t.Errorf("%s: chi squared of %d cells is %.0f", name, below, chi)
		}
	}
}
