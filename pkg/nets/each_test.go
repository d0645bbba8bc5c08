package nets

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

// TestApplyEach: the rows of every member are what Apply makes of them with its weights, gradients included.
func TestApplyEach(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, m := range []MLP{{Width: 5, Depth: 1}, {Width: 6, Depth: 3, Embed: fourier}, {Width: 4, Depth: 2, Output: 1, Embed: positional}} {
			for _, noises := range []int{1, 6} {
				if backend.OnDevice(b) && (m.Depth != 3 || noises == 1) {
					continue // compiling takes long
				}
				checkEach(t, name, b, m, noises)
			}
		}
	}
}

func checkEach(t *testing.T, name string, b compute.Backend, m MLP, noises int) {
	t.Helper()
	const members, each, d = 2, 3, 2
	rng := rand.New(rand.NewPCG(1, 2))
	numbers := func(n int) []float32 {
		v := make([]float32, n)
		for i := range v {
			v[i] = float32(rng.NormFloat64())
		}
		return v
	}
	x := tensors.FromFlatDataAndDimensions(numbers(members*each*d), members*each, d)
	c := tensors.FromFlatDataAndDimensions(numbers(noises), noises)
	joint := model.NewStore()
	exec, err := model.NewExec(b, joint, func(scope *model.Scope, x, c *Node) []*Node { // creates the weights of all members
		var ys []*Node
		for k := range members {
			at := func(n *Node) *Node {
				if n.Shape().Dim(0) == 1 {
					return n
				}
				return SliceAxis(n, 0, AxisRange(k*each, (k+1)*each))
			}
			ys = append(ys, m.Apply(scope.At("member_%d", k), at(x), at(c)))
		}
		y := Concatenate(ys, 0)
		return []*Node{y, Gradient(ReduceAllSum(Sin(y)), x)[0]}
	})
	if err != nil {
		t.Fatal(err)
	}
	if err := joint.SetRNGStateFromSeed(5); err != nil {
		t.Fatal(err)
	}
	exec.MustCall(x, c)
	for v := range joint.IterVariables() { // biases start at 0, which would hide them
		if strings.HasSuffix(v.Path(), "biases") {
			if err := v.SetValue(tensors.FromFlatDataAndDimensions(numbers(v.Shape().Size()), v.Shape().Dimensions...)); err != nil {
				t.Fatal(err)
			}
		}
	}
	want := exec.MustCall(x, c)
	asked := map[string]bool{}
	stacked, err := model.NewExec(b, joint, func(scope *model.Scope, x, c *Node) []*Node {
		y := m.ApplyEach(members, func(path string, dims ...int) *Node {
			asked[path] = true
			var all []*Node
			for k := range members {
				v := joint.GetVariable("/member_" + string(rune('0'+k)) + "/" + path)
				if v == nil {
					t.Fatalf("a member has no variable %s", path)
				}
				v.Shape().AssertDims(dims...)
				all = append(all, InsertAxes(v.NodeValue(x), 0))
			}
			return Concatenate(all, 0)
		}, x, c)
		return []*Node{y, Gradient(ReduceAllSum(Sin(y)), x)[0]}
	})
	if err != nil {
		t.Fatal(err)
	}
	got := stacked.MustCall(x, c)
	for o := range want {
		a, b := tensors.MustCopyFlatData[float32](got[o]), tensors.MustCopyFlatData[float32](want[o])
		for i := range b {
			if len(a) != len(b) || !(math.Abs(float64(a[i]-b[i])) <= 1e-5*(1+math.Abs(float64(b[i])))) {
				t.Fatalf("%s, %s, %d noise levels: output %d is %v, want %v", name, m, noises, o, a, b)
			}
		}
	}
	if n := joint.NumVariables() - 1; members*len(asked) != n { // one is the random state
		t.Errorf("%s: asked for %d weights, %d members have %d", m, len(asked), members, n)
	}
}

// TestApplyEachRefuses: rows that cannot be divided among the members, and noise of another length.
func TestApplyEachRefuses(t *testing.T) {
	for _, c := range []struct{ members, noises int }{{0, 1}, {4, 1}, {2, 2}} {
		exec, err := model.NewExec(backend.Go(), model.NewStore(), func(_ *model.Scope, x, c2 *Node) *Node {
			return MLP{Width: 3, Depth: 1}.ApplyEach(c.members, nil, x, c2)
		})
		if err != nil {
			t.Fatal(err)
		}
		if _, err := exec.Call([][]float32{{1, 2}, {3, 4}, {5, 6}}, make([]float32, c.noises)); err == nil || !strings.Contains(err.Error(), "members") {
			t.Errorf("%d members, 3 rows and %d noise levels: error %v", c.members, c.noises, err)
		}
	}
}
