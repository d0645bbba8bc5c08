package score

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
)

// TestInput: a value set between two runs is seen by the next one, in a loop and in one call, without another build, in
// float64 to the last digit.
func TestInput(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
			scale, shift := NewScalar(1./3), NewInput(mat.NewDense(2, 1, []float64{1. / 3, 1}))
			f := func(x *Node) *Node { return Add(Mul(x, scale.Node(x)), shift.Node(x)) }
			l := loop.New(b, nil, 1, func(_ *model.Scope, _ *Node, state, _ []*Node) []*Node { return []*Node{f(state[0])} })
			built := 0
			exec, err := model.NewExec(b, model.NewStore(), func(_ *model.Scope, x *Node) []*Node {
				built++
				return []*Node{f(x)}
			})
			if err != nil {
				t.Fatal(err)
			}
			x := mat.NewDense(2, 2, []float64{1, 2, 3, -4})
			for turn, third := range []float64{1. / 3, -1. / 3, 7} {
				if turn > 0 { // the first is the initial value
					if err := scale.Set(mat.NewDense(1, 1, []float64{third})); err != nil {
						t.Fatal(err)
					}
					if err := shift.Set(mat.NewDense(2, 1, []float64{third, 1})); err != nil {
						t.Fatal(err)
					}
				}
				state, err := l.Run(0, 2, []*tensors.Tensor{host.Tensor(x, dtype)}, nil)
				if err != nil {
					t.Fatal(err)
				}
				once, err := exec.Call(host.Tensor(x, dtype))
				if err != nil {
					t.Fatal(err)
				}
				tolerance := 1e-14
				if dtype == dtypes.Float32 {
					tolerance = 1e-6
				}
				for i := range 2 {
					for k := range 2 {
						add := []float64{third, 1}[i]
						first := x.At(i, k)*third + add
						second := first*third + add
						for got, want := range map[*mat.Dense]float64{host.Matrix(once[0]): first, host.Matrix(state[0]): second} {
							if !(math.Abs(got.At(i, k)-want) <= tolerance*(1+math.Abs(want))) {
								t.Errorf("%s %s: scale %g: element %d, %d is %.17g, want %.17g", name, dtype, third, i, k, got.At(i, k), want)
							}
						}
					}
				}
			}
			if l.Builds() != 1 || built != 1 {
				t.Errorf("%s %s: %d builds of the loop and %d of the call, want 1 each", name, dtype, l.Builds(), built)
			}
			exec.Finalize()
		}
	}
}

// TestInputShape: a value of another shape is refused, and the old one stays; Value is a copy.
func TestInputShape(t *testing.T) {
	first := mat.NewDense(2, 3, []float64{1, 2, 3, 4, 5, 6})
	in := NewInput(first)
	first.Set(0, 0, 100)
	for _, dims := range [][2]int{{3, 2}, {2, 2}, {1, 3}, {6, 1}} {
		if err := in.Set(mat.NewDense(dims[0], dims[1], nil)); err == nil || !strings.Contains(err.Error(), "want [2, 3]") {
			t.Errorf("shape %v: error %v", dims, err)
		}
	}
	in.Value().Set(0, 0, 50)
	if got := in.Value(); !mat.Equal(got, mat.NewDense(2, 3, []float64{1, 2, 3, 4, 5, 6})) {
		t.Errorf("the value became %v", mat.Formatted(got))
	}
}

func TestOneHotRows(t *testing.T) {
	y, err := OneHotRows([]int{2, 0, 1, 2}, 3)
	if err != nil {
		t.Fatal(err)
	}
	if want := mat.NewDense(4, 3, []float64{0, 0, 1, 1, 0, 0, 0, 1, 0, 0, 0, 1}); !mat.Equal(y, want) {
		t.Errorf("got %v", mat.Formatted(y))
	}
	for says, c := range map[string]struct {
		labels  []int
		classes int
	}{
		"0 labels":     {nil, 3},
		"0 classes":    {[]int{0}, 0},
		"label 1 is 3": {[]int{0, 3}, 3}, "label 0 is -1": {[]int{-1}, 3},
	} {
		if _, err := OneHotRows(c.labels, c.classes); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v of %d classes: got error %v, want one that says %q", c.labels, c.classes, err, says)
		}
	}
}
