package score

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/sde"
)

// lineModel has score -w x/Sigma with the averaged weight w and -live x/Sigma with the other, at RawTime.
func lineModel(t *testing.T, name string, live, w float64, dtype dtypes.DType) *Model {
	t.Helper()
	m := &Model{SDE: sde.OU1(), Parametrisation: RawTime, Net: line{}, Std: 1, Store: model.NewStore(), Name: name}
	for path, value := range map[string]float64{m.Scope(): live, m.EMAScope(): w} {
		v := tensors.FromScalarAndDimensions(float32(value), 1, 1)
		if dtype == dtypes.Float64 {
			v = tensors.FromScalarAndDimensions(value, 1, 1)
		}
		if _, err := m.Store.CreateVariable(path+"/w", v); err != nil {
			t.Fatal(err)
		}
	}
	return m
}

// TestModelsTogether: models with stores of their own serve in one graph, in a loop over a store of none of them, of one
// of them, and in one call, each with its own weights.
func TestModelsTogether(t *testing.T) {
	_, sigma := sde.At(sde.OU1(), 1)
	for name, b := range backendtest.All(t) {
		for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
			one, two := lineModel(t, "one", 50, 2, dtype), lineModel(t, "two", 70, 3, dtype)
			f := func(x *Node) *Node {
				at := OnesLike(Reshape(Slice(x, AxisElem(0)), 1))
				a, a2, c := one.Func()(x, at), two.Func()(x, at), two.Live()(x, at)
				return Add(Add(a, MulScalar(a2, 10)), c)
			}
			x := tensors.FromValue([][]float32{{1}})
			if dtype == dtypes.Float64 {
				x = tensors.FromValue([][]float64{{1}})
			}
			want := (2 + 30 + 70) / sigma
			got := map[string]float64{}
			for which, store := range map[string]*model.Store{"no store": nil, "the first": one.Store, "the second": two.Store} {
				l := loop.New(b, store, 1, func(_ *model.Scope, _ *Node, state, _ []*Node) []*Node { return []*Node{f(state[0])} })
				out, err := l.Run(0, 2, []*tensors.Tensor{x}, nil)
				if err != nil {
					t.Fatal(err)
				}
				got["loop over "+which] = math.Sqrt(host.Values(out[0])[0])
				if store == nil {
					store = model.NewStore()
				}
				exec, err := model.NewExec(b, store, func(_ *model.Scope, x *Node) []*Node { return []*Node{f(x)} })
				if err != nil {
					t.Fatal(err)
				}
				once, err := exec.Call(x)
				if err != nil {
					t.Fatal(err)
				}
				got["call with "+which] = host.Values(once[0])[0]
				exec.Finalize()
			}
			for which, g := range got {
				if !(math.Abs(g-want) <= 1e-6*want) {
					t.Errorf("%s %s: %s gives %g, want %g", name, dtype, which, g, want)
				}
			}
		}
	}
}

// TestModelsClash: models of one name are refused instead of one taking the weights of the other.
func TestModelsClash(t *testing.T) {
	for name, b := range backendtest.All(t) {
		one, two := lineModel(t, "", 5, 2, dtypes.Float32), lineModel(t, "", 7, 3, dtypes.Float32)
		f := func(x *Node) *Node {
			at := Reshape(x, 1)
			return Add(one.Func()(x, at), two.Func()(x, at))
		}
		x := tensors.FromValue([][]float32{{1}})
		_, inLoop := loop.New(b, one.Store, 1, func(_ *model.Scope, _ *Node, state, _ []*Node) []*Node {
			return []*Node{f(state[0])}
		}).Run(0, 1, []*tensors.Tensor{x}, nil)
		_, once := CallOnce(b, func(x *Node) *Node { return f(x) }, x)
		for where, err := range map[string]error{"loop": inLoop, "call": once} {
			if err == nil || !strings.Contains(err.Error(), "different names") {
				t.Errorf("%s, %s: error %v", name, where, err)
			}
		}
	}
}

// TestGiven: the condition enters the network beside the scaled x.
func TestGiven(t *testing.T) {
	m := &Model{SDE: sde.OU1(), Parametrisation: Epsilon, Net: beside{}, Std: 1, Store: model.NewStore()}
	x, y, at := [][]float64{{1, 2}, {3, 4}}, [][]float64{{5, 6, 7}, {8, 9, 10}}, []float64{0.5, 1}
	alpha, sigma := make([]float64, 2), make([]float64, 2)
	for i, t := range at {
		alpha[i], sigma[i] = sde.At(m.SDE, t)
	}
	for name, b := range backendtest.All(t) {
		out, err := CallOnce(b, func(x, y, at *Node) *Node { return m.Live(Context{Given: func(*Node) *Node { return y }})(x, at) }, x, y, at)
		if err != nil {
			t.Fatal(err)
		}
		got := host.Matrix(out)
		for i := range x {
			for k := range 2 {
				in := x[i][k] / math.Hypot(alpha[i], sigma[i])
				if want := -(in + 100*y[i][k+1]) / sigma[i]; !(math.Abs(got.At(i, k)-want) <= 1e-6*math.Abs(want)) {
					t.Errorf("%s: score %d, %d is %g, want %g", name, i, k, got.At(i, k), want)
				}
			}
		}
	}
	_, err := CallOnce(backend.Go(), func(x, y, at *Node) *Node { return m.Func(Context{Given: func(*Node) *Node { return y }})(x, at) }, x, y, at)
	if err != nil {
		t.Errorf("a network without weights needs no average: %v", err)
	}
}

// beside adds 100 times the last two numbers of the condition to x.
type beside struct{}

func (beside) Apply(_ *model.Scope, in Inputs) *Node {
	return Add(in.X, MulScalar(Slice(in.Given, AxisRange(), AxisRange(1, 3)), 100))
}

func (beside) String() string { return "beside" }

// logits is a network whose output, [B, K], grows with x and has nothing of a probability.
type logits struct{ K int }

func (l logits) Apply(scope *model.Scope, in Inputs) *Node {
	x, noise := in.X, in.Level
	w := scope.VariableWithShape("w", shapes.Make(x.DType(), 1, l.K)).NodeValue(x)
	rows := ReduceAndKeep(x, ReduceSum, 1)
	ramp := MulScalar(Iota(x.Graph(), shapes.Make(x.DType(), 1, l.K), 1), 50)
	return Add(Mul(rows, Add(w, ramp)), InsertAxes(noise, -1))
}

func (l logits) String() string { return fmt.Sprintf("%d logits", l.K) }

// TestClassifier: the rows of a posterior are log-probabilities also for large logits, one per class, and differ by what
// the logits do at unit variance; a wrong number of logits is an error.
func TestClassifier(t *testing.T) {
	const std = 3.0
	for name, b := range backendtest.All(t) {
		for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
			c := &Classifier{SDE: sde.VE{SigmaMin: 0.01, SigmaMax: 4}, Net: logits{3}, Classes: 3, Std: std, Store: model.NewStore(), Name: "c"}
			call := func(f func() Posterior, at float64) ([]float64, error) {
				exec, err := model.NewExec(b, c.Store, func(_ *model.Scope, x, at *Node) []*Node { return []*Node{f()(x, at)} })
				if err != nil {
					t.Fatal(err)
				}
				defer exec.Finalize()
				out, err := exec.Call(host.Tensor(points4, dtype), host.Column([]float64{at}, dtype))
				if err != nil {
					return nil, err
				}
				return host.Values(out[0]), nil
			}
			if _, err := call(c.Func, 1); err == nil || !strings.Contains(err.Error(), "averaged weights") {
				t.Errorf("%s %s: without averaged weights: %v", name, dtype, err)
			}
			if err := setZero(c.Store, c.EMAScope()+"/w", dtype); err != nil {
				t.Fatal(err)
			}
			for _, at := range []float64{1e-3, 0.6, 1} {
				logP, err := call(c.Func, at)
				if err != nil {
					t.Fatal(err)
				}
				alpha, sigma := sde.At(c.SDE, at)
				total := math.Hypot(alpha*std, sigma)
				for i := range 4 {
					row := logP[3*i : 3*i+3]
					if sum := math.Exp(row[0]) + math.Exp(row[1]) + math.Exp(row[2]); !(math.Abs(sum-1) < 1e-5) {
						t.Errorf("%s %s, t = %g: the probabilities of row %d sum to %g", name, dtype, at, i, sum)
					}
					step := 50 * (points4.At(i, 0) + points4.At(i, 1)) / total
					for k := range 2 {
						if got := row[k+1] - row[k]; !(math.Abs(got-step) <= 1e-4*(1+math.Abs(step))) {
							t.Errorf("%s %s, t = %g: log odds %d of row %d are %g, want %g", name, dtype, at, k, i, got, step)
						}
					}
				}
			}
			c.Classes = 4
			if _, err := call(c.Func, 1); err == nil || !strings.Contains(err.Error(), "want 4 logits") {
				t.Errorf("%s %s: three logits for four classes: %v", name, dtype, err)
			}
		}
	}
}

var points4 = mat.NewDense(4, 2, []float64{0, 0, 1, 0.5, -20, 3, 100, 100})

// setZero creates a weight of logits.
func setZero(s *model.Store, path string, dtype dtypes.DType) error {
	_, err := s.CreateVariable(path, tensors.FromShape(shapes.Make(dtype, 1, 3)))
	return err
}
