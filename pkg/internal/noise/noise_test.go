package noise

import (
	"math"
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
)

func device(t *testing.T) compute.Backend {
	t.Helper()
	b := backend.MustOpen()
	if !backend.OnDevice(b) {
		t.Skip("the generator is for XLA only")
	}
	return b
}

// TestThreefry compares with the known answers that Random123 publishes for threefry2x32, 20 rounds.
func TestThreefry(t *testing.T) {
	for _, c := range []struct{ key, counter, want [2]uint32 }{
		{[2]uint32{}, [2]uint32{}, [2]uint32{0x6b200159, 0x99ba4efe}},
		{[2]uint32{math.MaxUint32, math.MaxUint32}, [2]uint32{math.MaxUint32, math.MaxUint32}, [2]uint32{0x1cb996fc, 0xbb002be7}},
		{[2]uint32{0x13198a2e, 0x03707344}, [2]uint32{0x243f6a88, 0x85a308d3}, [2]uint32{0xc4923a9c, 0x483df7a0}},
	} {
		for _, b := range []compute.Backend{backend.Go(), backend.MustOpen()} {
			got := MustExecOnceN(b, func(k0, k1, c0, c1 *Node) []*Node {
				a, b := threefry([2]*Node{k0, k1}, [2]*Node{c0, c1})
				return []*Node{a, b}
			}, c.key[0], c.key[1], c.counter[0], c.counter[1])
			if a, b := tensors.ToScalar[uint32](got[0]), tensors.ToScalar[uint32](got[1]); a != c.want[0] || b != c.want[1] {
				t.Errorf("threefry(%x, %x) = %x %x, want %x", c.key, c.counter, a, b, c.want)
			}
		}
	}
}

// draws returns k successive draws of n numbers.
func draws(t *testing.T, b compute.Backend, seed int64, k int, shape shapes.Shape) [][]float64 {
	t.Helper()
	rng, err := RNGStateFromSeed(seed)
	if err != nil {
		t.Fatal(err)
	}
	out := MustExecOnceN(b, func(rng *Node) []*Node {
		var all []*Node
		for range k {
			var z *Node
			rng, z = Normal(rng, shape)
			all = append(all, Reshape(z, shape.Size()))
		}
		return all
	}, rng)
	wide := make([][]float64, k)
	for i, z := range out {
		for _, v := range tensors.MustCopyFlatData[float32](z) {
			wide[i] = append(wide[i], float64(v))
		}
	}
	return wide
}

// TestNormal: moments up to the fourth, the distribution function, and no correlation with neighbours, other draws and
// other seeds, each within five standard errors.
func TestNormal(t *testing.T) {
	b := device(t)
	const n = 1 << 18
	shape := shapes.Make(dtypes.Float32, n/4, 2, 2)
	a, other := draws(t, b, 7, 2, shape), draws(t, b, 8, 1, shape)
	root := math.Sqrt(n)
	within := func(what string, got, want, sd float64) {
		if math.Abs(got-want) > 5*sd/root {
			t.Errorf("%s is %.5f, want %g within %.5f", what, got, want, 5*sd/root)
		}
	}
	for k, z := range [][]float64{a[0], a[1], other[0]} {
		for p, m := range map[int][2]float64{1: {0, 1}, 2: {1, math.Sqrt2}, 3: {0, math.Sqrt(15)}, 4: {3, math.Sqrt(96)}} {
			sum := 0.0
			for _, v := range z {
				sum += math.Pow(v, float64(p))
			}
			within("a moment", sum/n, m[0], m[1])
		}
		within("correlation of neighbours", stat.Correlation(z[1:], z[:n-1], nil), 0, 1)
		within("correlation of next but one", stat.Correlation(z[2:], z[:n-2], nil), 0, 1)
		sorted := slices.Sorted(slices.Values(z))
		gap := 0.0
		for i, v := range sorted {
			gap = max(gap, math.Abs(distuv.UnitNormal.CDF(v)-(float64(i)+0.5)/n))
		}
		if gap > 1.95/root { // Kolmogorov's 0.1% point
			t.Errorf("draw %d: distribution function is off by %.5f, want %.5f", k, gap, 1.95/root)
		}
	}
	within("correlation of two draws", stat.Correlation(a[0], a[1], nil), 0, 1)
	within("correlation of two seeds", stat.Correlation(a[0], other[0], nil), 0, 1)
	square := func(z []float64) []float64 {
		s := make([]float64, len(z))
		for i, v := range z {
			s[i] = v * v
		}
		return s
	}
	within("correlation of squares", stat.Correlation(square(a[0]), square(a[1]), nil), 0, 1)
	if !slices.Equal(a[0], draws(t, b, 7, 1, shape)[0]) {
		t.Error("the same seed gives other numbers")
	}
}

// TestState: each draw moves the state by one count, and other generators can go on from it.
func TestState(t *testing.T) {
	b := device(t)
	rng, err := RNGStateFromSeed(3)
	if err != nil {
		t.Fatal(err)
	}
	out := MustExecOnceN(b, func(rng *Node) []*Node {
		next, _ := Normal(rng, shapes.Make(dtypes.Float32, 5))
		_, u := RandomUniform(next, shapes.Make(dtypes.Float32, 5))
		return []*Node{rng, next, u}
	}, rng)
	before, after := tensors.MustCopyFlatData[uint64](out[0]), tensors.MustCopyFlatData[uint64](out[1])
	if after[0] != before[0] || after[1] != before[1]+1 || after[2] != before[2] {
		t.Errorf("the state went from %x to %x", before, after)
	}
}

// TestElsewhere: float64, and every type on the Go engine, are graph.RandomNormal's.
func TestElsewhere(t *testing.T) {
	for _, c := range []struct {
		b     compute.Backend
		dtype dtypes.DType
	}{{backend.Go(), dtypes.Float32}, {backend.Go(), dtypes.Float64}, {backend.MustOpen(), dtypes.Float64}} {
		rng, err := RNGStateFromSeed(5)
		if err != nil {
			t.Fatal(err)
		}
		out := MustExecOnceN(c.b, func(rng *Node) []*Node {
			_, a := Normal(rng, shapes.Make(c.dtype, 100))
			_, b := RandomNormal(rng, shapes.Make(c.dtype, 100))
			return []*Node{ReduceAllMax(Abs(Sub(a, b)))}
		}, rng)
		if d := out[0].Value(); d != float32(0) && d != float64(0) {
			t.Errorf("%s on %s differs by %v", c.dtype, c.b.Name(), d)
		}
	}
}

func TestSinPi(t *testing.T) {
	const n = 10_001
	v := make([]float32, n)
	for i := range v {
		v[i] = float32(i)/(n-1) - 0.5
	}
	got := tensors.MustCopyFlatData[float32](MustExecOnce(backend.Go(), sinPi, v))
	for i, x := range v {
		if want := math.Sin(math.Pi * float64(x)); math.Abs(float64(got[i])-want) > 3e-7 {
			t.Errorf("sinPi(%g) = %g, want %g", x, got[i], want)
		}
	}
}
