package objective

import (
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestMask: examples of 3 points of 2 numbers, padded to 5 points, have the errors of the 3 points, whatever stands in the
// padding; losses and their gradients do not see it either, in every objective; without the mask they do.
func TestMask(t *testing.T) {
	const b, points, padded, dim = 16, 3, 5, 2
	perPoint := func(w *Node) func(x, t *Node) *Node { // a score that treats points alike, each for itself
		return func(x, t *Node) *Node { return Mul(w, Add(Neg(x), Sin(MulScalar(x, 2)))) }
	}
	for name, engine := range backendtest.All(t) {
		out, err := CallOnceN(engine, func(w *Node) []*Node {
			g := w.Graph()
			rng, shape := noise.Once(g, 4), shapes.Make(dtypes.Float64, b, points, dim)
			x0, z, u := rng.Normal(shape), rng.Normal(shape), rng.Uniform(shapes.Make(dtypes.Float64, b))
			at := spread(vp, u)
			pad := func(x *Node, with float64) *Node {
				rest := MulScalar(Ones(g, shapes.Make(dtypes.Float64, b, padded-points, dim)), with)
				return Concatenate([]*Node{x, rest}, 1)
			}
			mask := LessThan(Iota(g, shapes.Make(dtypes.Int32, b, padded), 1), Const(g, int32(points)))
			want := DSM{SDE: vp}.Errors(perPoint(w), x0, z, at, nil)
			got := DSM{SDE: vp}.Errors(perPoint(w), pad(x0, 7), pad(z, -3), at, mask)
			out := []*Node{ReduceAllMax(Abs(Sub(got, want)))}
			for k, o := range []ScoreMatching{
				DSM{SDE: vp, Weighting: Likelihood, Time: Importance{}}, Implicit{SDE: vp, Trace: Exact{}}, Implicit{SDE: vp}, Implicit{SDE: vp, Trace: FiniteDifference{1e-2}},
				Simulated{Forward: sde.Affine(vp), Reference: vp, Steps: 2},
			} {
				if k > 0 && name == "xla" {
					break // each compiles for seconds, and the graphs are the same
				}
				change := func(mask *Node) *Node {
					one := o.Loss(perPoint(w), rng.Again(), pad(x0, 0), mask)
					other := o.Loss(perPoint(w), rng.Again(), pad(x0, 9), mask)
					slope := Sub(Gradient(one, w)[0], Gradient(other, w)[0])
					return Add(Abs(Sub(one, other)), Abs(Reshape(slope)))
				}
				out = append(out, change(mask), change(nil))
			}
			return out
		}, 0.7)
		if err != nil {
			t.Fatal(err)
		}
		for k, o := range out {
			v := o.Value().(float64)
			if masked := k%2 == 1 || k == 0; masked && !(v < 1e-6) || !masked && !(v > 1e-3) || math.IsNaN(v) {
				t.Errorf("%s: change %d of errors, losses and gradients under the padding is %g", name, k, v)
			}
		}
	}
}
