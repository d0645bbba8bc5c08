package control

import (
	"fmt"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
)

// along is weak + w (strong - weak).
func along(weak, strong *mat.Dense, w float64) *mat.Dense {
	var out mat.Dense
	out.Sub(strong, weak)
	out.Scale(w, &out)
	out.Add(&out, weak)
	return &out
}

// TestExtrapolate: scale 0 is the weak score, 1 and nil the strong one, and the others lie on the line through them.
func TestExtrapolate(t *testing.T) {
	weak, strong := score.Exact(dist.FourGaussians(), ve).Score(), score.Exact(uneven().Component(2), ve).Score()
	x := normals(source(1), 7, 2)
	for name, b := range backendtest.All(t) {
		scale := must(NewScale(0))
		at := eval(t, b, weak, strong, Extrapolate(weak, strong, scale), Extrapolate(weak, strong, nil))
		for _, w := range []float64{0, 0.3, 1, 2.5} {
			if err := scale.Set(w); err != nil {
				t.Fatal(err)
			}
			got := at(x, 0.4)
			wantClose(t, fmt.Sprintf("%s: scale %g", name, w), got[2], along(got[0], got[1], w), 1e-12)
			wantClose(t, name+": no scale", got[3], got[1], 1e-12)
		}
	}
}

// sum is a network whose output is x and the condition times w.
type sum struct{}

func (sum) Apply(scope *model.Scope, in score.Inputs) *Node {
	w := scope.VariableWithShape("w", shapes.Make(in.X.DType(), 4, 2)).NodeValue(in.X)
	return Add(in.X, Dot(in.Given, w).Product())
}

func (sum) String() string { return "sum" }

// TestClassifierFree: scale 1 is the conditional score of the averaged weights, 0 the one without condition, and both
// are what the network says of the one-hot code and of zeros.
func TestClassifierFree(t *testing.T) {
	w := [][]float64{{1, 2}, {-3, 4}, {5, -6}, {7, 8}}
	x := normals(source(1), 3, 2)
	labels := []int{2, 0, 3}
	for name, b := range backendtest.All(t) {
		m := &score.Model{SDE: ve, Parametrisation: score.Epsilon, Net: sum{}, Std: 1, Store: model.NewStore(), Name: "free"}
		must(m.Store.CreateVariable(m.EMAScope()+"/w", tensors.FromValue(w)))
		y, scale := must(NewLabels(labels, 4)), must(NewScale(1))
		none := func(x *Node) *Node { return Zeros(x.Graph(), shapes.Make(x.DType(), x.Shape().Dim(0), 4)) }
		at := eval(t, b, m.Func(score.Context{Given: none}), m.Func(score.Context{Given: y.Rows}), ClassifierFree(m, y, scale), ClassifierFree(m, y, nil))
		for _, strength := range []float64{0, 1, 3} {
			if err := scale.Set(strength); err != nil {
				t.Fatal(err)
			}
			got := at(x, 0.5)
			wantClose(t, fmt.Sprintf("%s: scale %g", name, strength), got[2], along(got[0], got[1], strength), 1e-12)
			wantClose(t, name+": no scale", got[3], got[1], 1e-12)
			// The score of epsilon is -F/Sigma, and conditions enter F by their row of w.
			sigma := 0.01 * 20 // of VE at t = 1/2
			for i, label := range labels {
				for j := range 2 {
					closeTo(t, name+": effect of the condition", got[1].At(i, j)-got[0].At(i, j), -w[label][j]/sigma, 1e-9)
				}
			}
		}
		p := sampler.Problem{SDE: ve, Score: ClassifierFree(m, y, scale), N: 3, Shape: []int{2}, DType: dtypes.Float64}
		lab := must(sampler.New(b, p))
		first := run(t, lab, predict, sampler.Settings{Steps: 5})
		if err := scale.Set(1); err != nil {
			t.Fatal(err)
		}
		second := run(t, lab, predict, sampler.Settings{Steps: 5})
		p.Score = m.Func(score.Context{Given: y.Rows})
		strong := run(t, must(sampler.New(b, p)), predict, sampler.Settings{Steps: 5})
		wantClose(t, name+": samples at scale 1", second.Samples(), strong.Samples(), 1e-9)
		if mat.EqualApprox(first.Samples(), second.Samples(), 1e-3) || lab.Builds() != 1 {
			t.Errorf("%s: the scale had no effect, or %d builds are not 1", name, lab.Builds())
		}
	}
}
