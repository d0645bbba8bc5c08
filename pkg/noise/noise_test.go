package noise

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/stat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

// TestThreefry compares with the known answers that Random123 publishes for threefry2x32, 20 rounds.
func TestThreefry(t *testing.T) {
	for _, c := range []struct{ key, counter, want [2]uint32 }{
		{[2]uint32{}, [2]uint32{}, [2]uint32{0x6b200159, 0x99ba4efe}},
		{[2]uint32{math.MaxUint32, math.MaxUint32}, [2]uint32{math.MaxUint32, math.MaxUint32}, [2]uint32{0x1cb996fc, 0xbb002be7}},
		{[2]uint32{0x13198a2e, 0x03707344}, [2]uint32{0x243f6a88, 0x85a308d3}, [2]uint32{0xc4923a9c, 0x483df7a0}},
	} {
		for name, b := range backendtest.All(t) {
			got := MustExecOnceN(b, func(k0, k1, c0, c1 *Node) []*Node {
				a, b := threefry([2]*Node{k0, k1}, [2]*Node{c0, c1})
				return []*Node{a, b}
			}, c.key[0], c.key[1], c.counter[0], c.counter[1])
			if a, b := tensors.ToScalar[uint32](got[0]), tensors.ToScalar[uint32](got[1]); a != c.want[0] || b != c.want[1] {
				t.Errorf("%s: threefry(%x, %x) = %x %x, want %x", name, c.key, c.counter, a, b, c.want)
			}
		}
	}
}

// column is a tensor as float64.
func column(t *tensors.Tensor) []float64 {
	switch t.DType() {
	case dtypes.Float64:
		return tensors.MustCopyFlatData[float64](t)
	case dtypes.Int32:
		return wide(tensors.MustCopyFlatData[int32](t))
	}
	return wide(tensors.MustCopyFlatData[float32](t))
}

func wide[T int32 | float32](values []T) []float64 {
	out := make([]float64, len(values))
	for i, v := range values {
		out[i] = float64(v)
	}
	return out
}

// draw calls what a graph draws at a step under the key of a seed.
func draw(b compute.Backend, seed int64, step int, body func(rng Source) []*Node) [][]float64 {
	out := MustExecOnceN(b, func(key, step *Node) []*Node { return body(At(key, step)) }, Key(seed, 0), int32(step))
	columns := make([][]float64, len(out))
	for k, o := range out {
		columns[k] = column(o)
	}
	return columns
}

// TestEnginesAndPrecisions: a seed gives the same numbers on every engine, and in float64 those of float32 with more digits.
func TestEnginesAndPrecisions(t *testing.T) {
	const n = 5000
	body := func(rng Source) []*Node {
		again := rng.Again()
		narrow, wide := shapes.Make(dtypes.Float32, n), shapes.Make(dtypes.Float64, n)
		return []*Node{rng.Normal(narrow), again.Normal(wide), rng.Uniform(narrow), rng.Uniform(wide), rng.Below(1000, n)}
	}
	want := draw(backend.Go(), 3, 11, body)
	for name, b := range backendtest.All(t) {
		got := draw(b, 3, 11, body)
		for k, bound := range []float64{1e-5, 1e-12, 0, 0, 0} {
			for i, v := range got[k] {
				if math.Abs(v-want[k][i]) > bound*math.Max(1, math.Abs(v)) {
					t.Fatalf("%s: number %d of draw %d is %v, want %v as on the Go engine", name, i, k, v, want[k][i])
				}
			}
		}
		for i, v := range got[1] {
			if math.Abs(v-got[0][i]) > 2e-6*math.Max(1, math.Abs(v)) {
				t.Fatalf("%s: normal number %d is %.9g in float32 and %.9g in float64", name, i, got[0][i], v)
			}
		}
	}
}

// TestEveryBatch: the draws of a batch begin with those of any smaller one, whatever is drawn.
func TestEveryBatch(t *testing.T) {
	for name, b := range backendtest.All(t) {
		of := func(n int) [][]float64 {
			return draw(b, 5, 2, func(rng Source) []*Node {
				shape := shapes.Make(dtypes.Float32, n, 3)
				return []*Node{rng.Normal(shape), rng.Uniform(shape), rng.Below(10, n, 3), rng.Normal(shapes.Make(dtypes.Float64, n, 3))}
			})
		}
		few, many := of(100), of(1000)
		for k := range few {
			if !slices.Equal(few[k], many[k][:300]) {
				t.Errorf("%s: the numbers of draw %d depend on the size of the batch", name, k)
			}
		}
	}
}

// TestLaws: moments up to the fourth and distribution functions, and no correlation between neighbours, draws, steps and
// seeds, each within five standard errors.
func TestLaws(t *testing.T) {
	const n, below = 1 << 17, 1000
	for name, b := range backendtest.All(t) {
		body := func(rng Source) []*Node {
			shape := shapes.Make(dtypes.Float32, n/4, 2, 2)
			return []*Node{rng.Normal(shape), rng.Normal(shape), rng.Uniform(shape), rng.Below(below, n)}
		}
		var columns, uniform [][]float64
		for _, at := range []struct {
			seed int64
			step int
		}{{7, 0}, {7, 1}, {8, 0}} {
			out := draw(b, at.seed, at.step, body)
			columns, uniform = append(columns, out[0], out[1]), append(uniform, out[2])
			if chi := chiSquared(out[3], below); math.Abs(chi-below) > 5*math.Sqrt(2*below) {
				t.Errorf("%s: chi squared of %d cells is %.0f", name, below, chi)
			}
		}
		within := func(what string, got, want, sd float64) {
			if !(math.Abs(got-want) <= 5*sd/math.Sqrt(n)) {
				t.Errorf("%s: %s is %.5f, want %g within %.5f", name, what, got, want, 5*sd/math.Sqrt(n))
			}
		}
		for k, z := range slices.Concat(columns, uniform) {
			moments, cdf := map[int][2]float64{1: {0, 1}, 2: {1, math.Sqrt2}, 3: {0, math.Sqrt(15)}, 4: {3, math.Sqrt(96)}}, distuv.UnitNormal.CDF
			if k >= len(columns) {
				moments, cdf = map[int][2]float64{1: {0.5, math.Sqrt(1. / 12)}, 2: {1. / 3, math.Sqrt(4. / 45)}}, distuv.UnitUniform.CDF
			}
			for p, m := range moments {
				sum := 0.0
				for _, v := range z {
					sum += math.Pow(v, float64(p))
				}
				within("a moment", sum/n, m[0], m[1])
			}
			if gap := kolmogorov(z, cdf); gap > 1.95/math.Sqrt(n) { // the 0.1% point
				t.Errorf("%s: the distribution function of draw %d is off by %.5f, want %.5f", name, k, gap, 1.95/math.Sqrt(n))
			}
			within("correlation of neighbours", stat.Correlation(z[1:], z[:n-1], nil), 0, 1)
			within("correlation of next but one", stat.Correlation(z[2:], z[:n-2], nil), 0, 1)
			for _, other := range columns[:min(k, len(columns))] {
				within("correlation of two draws", stat.Correlation(z, other, nil), 0, 1)
				within("correlation of squares", stat.Correlation(squares(z), squares(other), nil), 0, 1)
			}
		}
	}
}

func squares(z []float64) []float64 {
	s := make([]float64, len(z))
	for i, v := range z {
		s[i] = v * v
	}
	return s
}

// kolmogorov is the largest distance of the values' distribution function to cdf, which must be the same in floats.
func kolmogorov(z []float64, cdf func(float64) float64) (gap float64) {
	n := float64(len(z))
	for i, v := range slices.Sorted(slices.Values(z)) {
		gap = max(gap, math.Abs(cdf(v)-(float64(i)+0.5)/n))
	}
	return gap
}

func chiSquared(values []float64, cells int) (chi float64) {
	counts, each := make([]float64, cells), float64(len(values))/float64(cells)
	for _, v := range values {
		counts[int(v)]++
	}
	for _, c := range counts {
		chi += (c - each) * (c - each) / each
	}
	return chi
}

// TestSources: draws of a source differ, those of its twin are the same, and keys differ by seed and stream.
func TestSources(t *testing.T) {
	shape := shapes.Make(dtypes.Float32, 4)
	out := draw(backend.Go(), 1, 0, func(rng Source) []*Node {
		again := rng.Again()
		first := rng.Normal(shape)
		later := rng.Again()
		return []*Node{first, again.Normal(shape), rng.Normal(shape), later.Normal(shape)}
	})
	if !slices.Equal(out[0], out[1]) || !slices.Equal(out[2], out[3]) || slices.Equal(out[0], out[2]) {
		t.Errorf("got %v: want the draws 1, 1 again, 2 and 2 again", out)
	}
	once := column(MustExecOnce(backend.Go(), func(g *Graph) *Node { return Once(g, 1).Normal(shape) }))
	if !slices.Equal(once, out[0]) {
		t.Errorf("Once draws %v, want %v", once, out[0])
	}
	keys := map[[2]uint32]bool{}
	source := rand.New(rand.NewPCG(1, 1))
	for range 100 {
		seed := int64(source.Uint64())
		for stream := range uint64(3) {
			words := tensors.MustCopyFlatData[uint32](Key(seed, stream))
			keys[[2]uint32(words)] = true
		}
	}
	if len(keys) != 300 {
		t.Errorf("300 seeds and streams have %d keys", len(keys))
	}
}

func TestSinPi(t *testing.T) {
	const n = 10_001
	v := make([]float64, n)
	for i := range v {
		v[i] = float64(i)/(n-1) - 0.5
	}
	out := MustExecOnceN(backend.Go(), func(v *Node) []*Node { return []*Node{sinPi(ConvertDType(v, dtypes.Float32)), sinPi(v)} }, v)
	for k, bound := range []float64{3e-7, 1e-15} {
		for i, got := range column(out[k]) {
			if want := math.Sin(math.Pi * v[i]); math.Abs(got-want) > bound {
				t.Errorf("sinPi(%g) = %g, want %g", v[i], got, want)
			}
		}
	}
}
