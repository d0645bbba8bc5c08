package sampler

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// proposal is what future.propose makes of a wanted step from t = 1 of a Brownian motion with clock v = t, of whose
// future the first half of the samples knows nothing, the second half the increment to 0.4.
type proposal struct {
	end, noise  []float64 // of the interval to try
	left, known []float64 // noise that remains known after it, and intervals known before it is accepted
}

func propose(b compute.Backend, w *mat.Dense, h float64, trying bool) proposal {
	n := w.RawMatrix().Rows
	p := &Problem{SDE: sde.Brownian{}, N: n, Shape: []int{1}}
	out := MustExecOnceN(b, func(w *Node) []*Node {
		g := w.Graph()
		fill := func(v float64, dims ...int) *Node {
			return Add(Zeros(g, shapes.Make(dtypes.Float64, dims...)), Const(g, v))
		}
		known := ConvertDType(GreaterOrEqual(Iota(g, shapes.Make(dtypes.Int32, n), 0), Const(g, int32(n/2))), dtypes.Int32)
		f := future{ends: fill(0, n, futureDepth), noise: fill(0, n, futureDepth, 1), known: known}
		first := f.slots(AddScalar(known, -1))
		f.ends = Where(first, fill(0.4, n, futureDepth), f.ends)
		f.v = f.ends
		f.noise = Where(first, BroadcastToShape(InsertAxes(w, 1), f.noise.Shape()), f.noise)
		z := noise.Once(g, 3).Normal(shapes.Make(dtypes.Float64, n, 1))
		tries := Equal(known, known)
		if !trying {
			tries = LogicalNot(tries)
		}
		next, try := f.propose(p, fill(1, n), fill(1, n), fill(h, n), z, interval{end: fill(0, n), v: fill(0, n)}, tries)
		nothing := Equal(next.known, ZerosLike(known))
		left := Sub(ReduceSum(next.noise, 1), Where(nothing, ZerosLike(w), next.top().noise))
		return []*Node{try.end, Reshape(try.noise, n), Reshape(left, n), ConvertDType(next.known, dtypes.Float64)}
	}, Tensor(w, dtypes.Float64))
	column := func(k int) []float64 { return tensors.MustCopyFlatData[float64](out[k]) }
	return proposal{column(0), column(1), column(2), column(3)}
}

// TestFuture: whatever step is wanted, the increments tried and left have the variances of their times and no
// correlation, within five standard errors; the parts of a known one add up to it; nothing is remembered unless tried.
func TestFuture(t *testing.T) {
	const n, half = 40_000, 20_000
	w, rng := mat.NewDense(n, 1, nil), source(1)
	for i := range n {
		w.Set(i, 0, math.Sqrt(0.6)*rng.NormFloat64())
	}
	for name, b := range backendtest.All(t) {
		for _, c := range []struct{ h, blank, known float64 }{ // the ends of the step tried
			{0.1, 0.9, 0.9}, {0.4, 0.6, 0.7}, {0.58, 0.5, 0.4}, {0.97, 0, 0.4},
		} {
			what := fmt.Sprintf("%s, h = %g", name, c.h)
			r := propose(b, w, c.h, true)
			closeTo(t, what+": end where nothing is known", r.end[0], c.blank, 1e-12)
			closeTo(t, what+": end where the future is known", r.end[n-1], c.known, 1e-12)
			root := math.Sqrt(half)
			closeTo(t, what+": fresh variance", stat.Variance(r.noise[:half], nil)/(1-c.blank), 1, 5*math.Sqrt2/root)
			closeTo(t, what+": variance tried", stat.Variance(r.noise[half:], nil)/(1-c.known), 1, 5*math.Sqrt2/root)
			if parts := r.known[n-1]; c.known > 0.4 {
				closeTo(t, what+": parts", parts, 2, 0)
				closeTo(t, what+": variance left", stat.Variance(r.left[half:], nil)/(c.known-0.4), 1, 5*math.Sqrt2/root)
				closeTo(t, what+": correlation", stat.Correlation(r.noise[half:], r.left[half:], nil), 0, 5/root)
			}
			for i := half; i < n; i++ {
				if sum := r.noise[i] + r.left[i]; math.Abs(sum-w.At(i, 0)) > 1e-12 {
					t.Fatalf("%s: the parts add up to %g, want %g", what, sum, w.At(i, 0))
				}
			}
		}
		if r := propose(b, w, 0.1, false); r.known[0] != 0 || r.known[n-1] != 1 {
			t.Errorf("%s: without a try %g and %g intervals are known, want 0 and 1", name, r.known[0], r.known[n-1])
		}
	}
}
