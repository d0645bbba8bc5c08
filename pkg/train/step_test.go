package train

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/score"
)

func shapeOf(y *Node) shapes.Shape { return shapes.Make(dtypes.Bool, y.Shape().Dimensions...) }

// prepare sets up the loop of a run as Fit does.
func prepare(t *testing.T, b compute.Backend, cfg Config, data mat.Matrix) (*loop.Loop, []*tensors.Tensor, *score.Model) {
	t.Helper()
	std, err := Rows(data).check()
	if err != nil {
		t.Fatal(err)
	}
	id, err := idOf(cfg, data)
	if err != nil {
		t.Fatal(err)
	}
	m := cfg.model(std, id)
	run := &training{Recipe: cfg.Recipe, data: Rows(data)}
	if err := cfg.seed(m.Store); err != nil {
		t.Fatal(err)
	}
	steps := &stepper{batch: cfg.Batch, data: run.data.drawer(), store: m.Store, name: m.Name, moves: cfg.moves(m)}
	inputs, err := run.inputs(b)
	if err != nil {
		t.Fatal(err)
	}
	l := steps.compile(b).loop
	return l, inputs, m
}

func startOf(r Recipe) []*tensors.Tensor {
	return (&training{Recipe: r, log: &RunLog{}}).startState()
}

func advance(t *testing.T, l *loop.Loop, r Recipe, from, to int, inputs []*tensors.Tensor) {
	t.Helper()
	state, err := l.Run(from, to, startOf(r), inputs)
	if err != nil {
		t.Fatal(err)
	}
	if bad := tensors.ToScalar[int32](state[stateBadStep]); bad >= 0 {
		t.Fatalf("step %d is not finite", bad)
	}
}

// trained runs the first steps of cfg. For 0 steps it takes one whose learning rate and every change are undone by a
// state that is bad already, which leaves the initial values of all variables.
func trained(t *testing.T, b compute.Backend, cfg Config, data mat.Matrix, steps int) *score.Model {
	t.Helper()
	l, inputs, m := prepare(t, b, cfg, data)
	if steps == 0 {
		state := startOf(cfg.Recipe)
		state[stateBadStep] = tensors.FromScalar(int32(0))
		if _, err := l.Run(0, 1, state, inputs); err != nil {
			t.Fatal(err)
		}
		return m
	}
	advance(t, l, cfg.Recipe, 0, steps, inputs)
	return m
}

// TestDeviceEqualsHost: the loop on the device and the loop of the host take the same steps.
func TestDeviceEqualsHost(t *testing.T) {
	b, err := backend.Open()
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() || !backend.OnDevice(b) {
		t.Skip("compiles twice, and needs XLA")
	}
	cfg, _ := small(50)
	data := points(200)
	device, inputs, got := prepare(t, b, cfg, data)
	host, _, want := prepare(t, b, cfg, data)
	host.OnHost()
	advance(t, device, cfg.Recipe, 0, cfg.Steps, inputs)
	advance(t, host, cfg.Recipe, 0, cfg.Steps, inputs)
	for v := range want.Store.IterVariables() {
		if v.Shape().DType != dtypes.Float32 {
			continue
		}
		a := tensors.MustCopyFlatData[float32](got.Store.GetVariable(v.Path()).MustValue())
		for k, b := range tensors.MustCopyFlatData[float32](v.MustValue()) {
			if d := math.Abs(float64(a[k] - b)); !(d < 2e-3*(math.Abs(float64(b))+0.1)) {
				t.Errorf("%s[%d]: device %g, host %g", v.Path(), k, a[k], b)
			}
		}
	}
	if device.Builds() != 1 {
		t.Errorf("built %d executables", device.Builds())
	}
}

// linear is the smallest network: y = w x.
type linear struct{}

func (linear) Apply(scope *model.Scope, in score.Inputs) *Node {
	x := in.X
	w := scope.VariableWithShape("w", shapes.Make(x.DType(), 1, 2)).NodeValue(x)
	return Mul(x, w)
}

func (linear) String() string { return "linear" }

func values(t *testing.T, s *model.Store, scope string) []float32 {
	t.Helper()
	v := s.GetVariable(scope + "/w")
	if v == nil {
		t.Fatalf("no weights under %s", scope)
	}
	return tensors.MustCopyFlatData[float32](v.MustValue())
}

// TestAverage compares the averaged weights after every step to the recursion e += r (w - e) whose r is 1 - EMA, or that of
// a half-life of a twentieth of the steps taken, whichever is larger; and the length of Adam's step from moments of 0,
// which does not depend on the gradient, to the learning rate, for the first step and for the last.
func TestAverage(t *testing.T) {
	for _, decay := range []float64{0, 0.5, 0.95, 0.9999} {
		t.Run(fmt.Sprint(decay), func(t *testing.T) {
			cfg, _ := small(25)
			cfg.Net, cfg.EMA, cfg.WarmUp = linear{}, decay, 5
			data := points(100)
			first := trained(t, backend.Go(), cfg, data, 0)
			start := values(t, first.Store, first.Scope())
			l, inputs, m := prepare(t, backend.Go(), cfg, data)
			average := make([]float64, 2)
			for i := range cfg.Steps {
				advance(t, l, cfg.Recipe, i, i+1, inputs)
				w, got := values(t, m.Store, m.Scope()), values(t, m.Store, m.EMAScope())
				r := max(1-decay, 1-math.Pow(2, -1/(0.05*float64(i+1))))
				for k := range w {
					average[k] += r * (float64(w[k]) - average[k])
					if want := average[k]; math.Abs(float64(got[k])-want) > 3e-6*(1+math.Abs(want)) {
						t.Errorf("step %d, weight %d: average %g, want %g", i, k, got[k], want)
					}
				}
			}
			for _, i := range []int{0, cfg.Steps - 1} {
				l, inputs, m := prepare(t, backend.Go(), cfg, data)
				advance(t, l, cfg.Recipe, i, i+1, inputs)
				n := float64(i + 1)
				want := cfg.Rate(i) * 0.1 / (1 - math.Pow(0.9, n)) / math.Sqrt(0.001/(1-math.Pow(0.999, n)))
				for k, w := range values(t, m.Store, m.Scope()) {
					if step := math.Abs(float64(w - start[k])); math.Abs(step-want) > 1e-3*want+1e-7 {
						t.Errorf("step %d from moments of 0 is %g long, want %g", i, step, want)
					}
				}
			}
		})
	}
}

// TestClip: a gradient (3, 4) has norm 5 and is shortened to the bound, never lengthened.
func TestClip(t *testing.T) {
	for bound, want := range map[float64]float64{math.Inf(1): 5, 1: 1, 4.9: 4.9, 100: 5} {
		store := model.NewStore()
		out, err := model.MustNewExec(backend.Go(), store, func(scope *model.Scope, c, limit *Node) []*Node {
			v := scope.VariableWithShape("w", shapes.Make(c.DType(), 2))
			loss := ReduceAllSum(Mul(v.NodeValue(c), c))
			grads, norm := gradients(loss, []*model.Variable{v})
			clip(grads, norm, limit)
			return []*Node{grads[0], norm}
		}).Call([]float32{3, -4}, float32(bound))
		if err != nil {
			t.Fatal(err)
		}
		d := tensors.MustCopyFlatData[float32](out[0])
		if norm := tensors.ToScalar[float32](out[1]); norm != 5 {
			t.Errorf("norm %g, want 5", norm)
		}
		if a, b := float64(d[0]), float64(d[1]); math.Abs(a-0.6*want) > 1e-5 || math.Abs(b+0.8*want) > 1e-5 {
			t.Errorf("clip %g: gradient (%g, %g), want norm %g", bound, a, b, want)
		}
	}
}

func TestRate(t *testing.T) {
	c := Recipe{Steps: 1000, WarmUp: 100, LearningRate: 2e-3}
	for i := range c.Steps {
		r := c.Rate(i)
		switch {
		case i < 100:
			if want := 2e-5 * float64(i+1); math.Abs(r-want) > 1e-12 {
				t.Fatalf("warm-up: rate %g at step %d, want %g", r, i, want)
			}
		case i == 550:
			if math.Abs(r-1e-3) > 1e-12 {
				t.Errorf("half-way down: %g, want 1e-3", r)
			}
		case !(r <= c.Rate(i-1)):
			t.Fatalf("rate grows at step %d", i)
		}
	}
	if r := c.Rate(999); !(r > 0 && r < 1e-5*c.LearningRate) {
		t.Errorf("last rate %g, want almost 0", r)
	}
	if r := (Recipe{Steps: 1, LearningRate: 1}).Rate(0); r != 1 {
		t.Errorf("without warm-up the first rate is %g", r)
	}
}
