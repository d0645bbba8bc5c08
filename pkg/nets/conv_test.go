package nets

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

// products is the convolution as a sum of matrix products, one for each place in the kernel.
func products(x, kernel *Node) *Node {
	d, k := x.Shape().Dimensions, kernel.Shape().Dimensions
	zero := ScalarZero(x.Graph(), x.DType())
	wide := Pad(x, zero, PadAxis{}, PadAxis{Start: k[0] / 2, End: k[0] / 2}, PadAxis{Start: k[1] / 2, End: k[1] / 2}, PadAxis{})
	sum := zero
	for i := range k[0] {
		for j := range k[1] {
			part := Slice(wide, AxisRange(), AxisRange(i, i+d[1]), AxisRange(j, j+d[2]), AxisRange())
			weight := Reshape(Slice(kernel, AxisElem(i), AxisElem(j)), k[2], k[3])
			sum = Add(sum, EinsumAxes(part, weight, [][2]int{{3, 0}}, nil))
		}
	}
	return sum
}

// derivatives are the value of a function that convolves twice, its gradients, and the gradients of their squares.
func derivatives(conv func(x, kernel *Node) *Node) func(x, kernel *Node) []*Node {
	return func(x, kernel *Node) []*Node {
		y := conv(x, kernel)
		first := Gradient(ReduceAllSum(Sin(Mul(y, conv(Square(x), kernel)))), x, kernel)
		second := Gradient(Add(ReduceAllSum(Square(first[0])), ReduceAllSum(Square(first[1]))), x, kernel)
		return append(append([]*Node{y}, first...), second...)
	}
}

func normals(seed uint64, scale float64, dims ...int) *tensors.Tensor {
	rng, size := rand.New(rand.NewPCG(seed, 0)), 1
	for _, d := range dims {
		size *= d
	}
	v := make([]float64, size)
	for i := range v {
		v[i] = scale * rng.NormFloat64()
	}
	return tensors.FromFlatDataAndDimensions(v, dims...)
}

// TestConv compares values, first and second derivatives with sums of matrix products, for kernels of different sides,
// batches and numbers of channels.
func TestConv(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, c := range [][2][]int{
			{{5, 4, 6, 2}, {3, 1, 2, 3}}, {{2, 3, 5, 3}, {1, 1, 3, 2}}, {{3, 4, 4, 1}, {3, 3, 1, 2}}, {{1, 2, 5, 4}, {1, 5, 4, 1}},
		} {
			on := func(b compute.Backend, conv func(x, kernel *Node) *Node) []*tensors.Tensor {
				return MustExecOnceN(b, derivatives(conv), normals(1, 1, c[0]...), normals(2, .3, c[1]...))
			}
			want, got := on(backend.Go(), products), on(b, Conv) // XLA compiles the one under test only
			for k, what := range []string{"value", "gradient of x", "gradient of the kernel", "second derivative in x", "second derivative in the kernel"} {
				if d := difference(want[k], got[k]); !(d < 1e-12) {
					t.Errorf("%s, %v: the %s differs by %g of its size", name, c, what, d)
				}
			}
		}
	}
}

// difference is the largest difference of two tensors in units of the largest number.
func difference(a, b *tensors.Tensor) float64 {
	x, y := tensors.MustCopyFlatData[float64](a), tensors.MustCopyFlatData[float64](b)
	size, most := 0.0, 0.0
	for i := range x {
		size, most = max(size, math.Abs(x[i])), max(most, math.Abs(x[i]-y[i]))
	}
	return most / size
}

func TestConvRefusesShapes(t *testing.T) {
	for want, shapes := range map[string][2][]int{
		"odd sides":     {{1, 4, 4, 2}, {2, 3, 2, 1}},
		"[h, w, C, O]":  {{1, 4, 4, 2}, {3, 3, 3, 1}},
		"[B, H, W, C] ": {{4, 4, 2}, {3, 3, 2, 1}},
	} {
		_, err := CallOnce(backend.Go(), func(x, kernel *Node) *Node { return Conv(x, kernel) }, normals(1, 1, shapes[0]...), normals(1, 1, shapes[1]...))
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v: error %v, want one with %q", shapes, fmt.Sprintf("%.200v", err), want)
		}
	}
}
