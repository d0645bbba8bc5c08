package loop

import (
	"errors"
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

// gradientStep moves a variable down the gradient of a network's output and adds noise to the state: everything that
// training and sampling need inside one body.
func gradientStep(scope *model.Scope, i *Node, state, inputs []*Node) []*Node {
	x, rng := state[0], state[1]
	y := layers.Dense(scope.At("net"), Mul(x, inputs[0]), true, 2)
	loss := ReduceAllSum(Square(y))
	for v := range scope.Store().IterVariables() {
		if v.Trainable {
			g := Gradient(loss, v.NodeValue(x))[0]
			v.SetNodeValue(Sub(v.NodeValue(x), MulScalar(g, 0.01)))
		}
	}
	rng, z := RandomNormal(rng, x.Shape())
	x = Add(x, MulScalar(z, 0.1))
	return []*Node{Add(x, MulScalar(y, 0.1)), rng}
}

func run(t *testing.T, l *Loop, cuts ...int) []float32 {
	t.Helper()
	rng, err := RNGStateFromSeed(7)
	if err != nil {
		t.Fatal(err)
	}
	state := []*tensors.Tensor{tensors.FromValue([][]float32{{1, 2}, {-1, .5}, {0, 3}}), rng}
	input := []*tensors.Tensor{tensors.FromScalar(float32(0.5))}
	for k := 1; k < len(cuts); k++ {
		if state, err = l.Run(cuts[k-1], cuts[k], state, input); err != nil {
			t.Fatal(err)
		}
	}
	return tensors.MustCopyFlatData[float32](state[0])
}

// TestDeviceEqualsHost drives one step function in both ways: same numbers, one build each, however it is cut.
func TestDeviceEqualsHost(t *testing.T) {
	for name, b := range backendtest.All(t) {
		t.Run(name, func(t *testing.T) {
			seeded := func() *model.Store {
				s := model.NewStore()
				if err := s.SetRNGStateFromSeed(3); err != nil {
					t.Fatal(err)
				}
				return s
			}
			whole := New(b, seeded(), 2, gradientStep)
			want := run(t, New(b, seeded(), 2, gradientStep).OnHost(), 0, 50)
			got := run(t, whole, 0, 50)
			cut := run(t, New(b, seeded(), 2, gradientStep), 0, 7, 31, 50)
			for k := range want {
				if math.IsNaN(float64(got[k])) || math.Abs(float64(got[k]-want[k])) > 1e-4 {
					t.Errorf("value %d: device %g, host %g", k, got[k], want[k])
				}
				if got[k] != cut[k] {
					t.Errorf("value %d: in one piece %g, in three %g", k, got[k], cut[k])
				}
			}
			if whole.Builds() != 1 {
				t.Errorf("built %d executables, want 1", whole.Builds())
			}
		})
	}
}

func TestWrongState(t *testing.T) {
	l := New(backend.Go(), nil, 1, func(_ *model.Scope, _ *Node, state, _ []*Node) []*Node {
		return []*Node{ConcatScalar(state[0])}
	})
	if _, err := l.Run(0, 1, nil, nil); err == nil {
		t.Error("a missing state tensor was accepted")
	}
	if _, err := l.Run(0, 1, []*tensors.Tensor{tensors.FromValue([]float32{1})}, nil); err == nil {
		t.Error("a step that changes its state's shape was accepted")
	}
}

// ConcatScalar grows its argument by one element.
func ConcatScalar(x *Node) *Node { return Concatenate([]*Node{x, x}, 0) }

// count adds 1 to the state and i to its second number.
func count(_ *model.Scope, i *Node, state, _ []*Node) []*Node {
	g := i.Graph()
	return []*Node{Add(state[0], Const(g, int32(1))), Add(state[1], i)}
}

// TestBounds: from <= i < to, at any offset, in one build; an empty range changes nothing and builds nothing.
func TestBounds(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, host := range []bool{false, true} {
			l := New(b, nil, 2, count)
			if host {
				l.OnHost()
			}
			zero := []*tensors.Tensor{tensors.FromScalar(int32(0)), tensors.FromScalar(int32(0))}
			for _, empty := range [][2]int{{3, 3}, {5, 2}} {
				if same, err := l.Run(empty[0], empty[1], zero, nil); err != nil || same[0] != zero[0] || l.Builds() != 0 {
					t.Errorf("%s: an empty range gave %v, %v and %d builds", name, same, err, l.Builds())
				}
			}
			for _, c := range [][2]int{{0, 1}, {0, 10}, {7, 12}, {1000, 1003}} {
				state, err := l.Run(c[0], c[1], zero, nil)
				if err != nil {
					t.Fatal(err)
				}
				steps, sum := 0, 0
				for i := c[0]; i < c[1]; i++ {
					steps, sum = steps+1, sum+i
				}
				if n, s := tensors.ToScalar[int32](state[0]), tensors.ToScalar[int32](state[1]); int(n) != steps || int(s) != sum {
					t.Errorf("%s, host %t: [%d, %d) took %d steps with sum %d, want %d and %d", name, host, c[0], c[1], n, s, steps, sum)
				}
			}
			if l.Builds() != 1 {
				t.Errorf("%s: %d builds, want 1", name, l.Builds())
			}
		}
	}
}

// TestNewShapes: another shape of state builds once more; another value or input does not.
func TestNewShapes(t *testing.T) {
	for name, b := range backendtest.All(t) {
		l := New(b, nil, 1, func(_ *model.Scope, _ *Node, state, inputs []*Node) []*Node {
			return []*Node{Mul(state[0], inputs[0])}
		})
		for _, c := range []struct {
			x      []float32
			factor float32
			builds int
		}{{[]float32{1, 2}, 2, 1}, {[]float32{5, 1}, 3, 1}, {[]float32{1, 2, 3}, 2, 2}, {[]float32{1, 0}, 0.5, 2}} {
			state, err := l.Run(0, 3, []*tensors.Tensor{tensors.FromValue(c.x)}, []*tensors.Tensor{tensors.FromScalar(c.factor)})
			if err != nil {
				t.Fatal(err)
			}
			if got, want := tensors.MustCopyFlatData[float32](state[0])[0], c.x[0]*c.factor*c.factor*c.factor; got != want || l.Builds() != c.builds {
				t.Errorf("%s: got %g after %d builds, want %g after %d", name, got, l.Builds(), want, c.builds)
			}
		}
	}
}

// TestVariables: a step's changes of variables stay in the store, on the device as on the host, and a variable that
// the step does not change keeps its value.
func TestVariables(t *testing.T) {
	for name, b := range backendtest.All(t) {
		store := model.NewStore()
		l := New(b, store, 1, func(scope *model.Scope, _ *Node, state, _ []*Node) []*Node {
			v := scope.VariableWithValue("v", float32(1))
			fixed := scope.VariableWithValue("fixed", float32(2))
			g := state[0].Graph()
			v.SetNodeValue(Mul(v.NodeValue(g), fixed.NodeValue(g)))
			return []*Node{Add(state[0], v.NodeValue(g))}
		})
		zero := []*tensors.Tensor{tensors.FromScalar(float32(0))}
		for k, want := range []float32{2 + 4 + 8, 16 + 32 + 64} {
			state, err := l.Run(0, 3, zero, nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := tensors.ToScalar[float32](state[0]); got != want {
				t.Errorf("%s: run %d summed to %g, want %g", name, k, got, want)
			}
		}
		for path, want := range map[string]float32{"/v": 64, "/fixed": 2} {
			if got := tensors.ToScalar[float32](store.GetVariable(path).MustValue()); got != want {
				t.Errorf("%s: %s is %g, want %g", name, path, got, want)
			}
		}
	}
}

// TestPanics: whatever a step panics with becomes the error of Run, and the next Run says it again.
func TestPanics(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for want, value := range map[string]any{"a sentence": "a sentence", "a cause": errors.New("a cause"), "42": 42} {
			l := New(b, nil, 1, func(_ *model.Scope, _ *Node, _, _ []*Node) []*Node { panic(value) })
			for range 2 {
				_, err := l.Run(0, 1, []*tensors.Tensor{tensors.FromScalar(float32(0))}, nil)
				if err == nil || !strings.Contains(err.Error(), want) {
					t.Errorf("%s: got error %v, want one with %q", name, err, want)
				}
			}
		}
	}
}

// TestConvolutions: a step whose gradients would be slow inside a While is driven by the host, and one that only convolves
// is not; both give the numbers of steps driven by the host.
func TestConvolutions(t *testing.T) {
	descend := func(_ *model.Scope, _ *Node, state, inputs []*Node) []*Node {
		loss := ReduceAllSum(Square(Convolve(state[0], inputs[0]).PadSame().Done()))
		return []*Node{Sub(state[0], MulScalar(Gradient(loss, state[0])[0], 0.01))}
	}
	smooth := func(_ *model.Scope, _ *Node, state, inputs []*Node) []*Node {
		return []*Node{Convolve(state[0], inputs[0]).PadSame().Done()}
	}
	x, kernel := make([]float32, 2*5*5), []float32{0, .1, .2, .1, .5, .1, .3, .1, 0}
	for i := range x {
		x[i] = float32(i%7) - 3
	}
	for name, b := range backendtest.All(t) {
		state, inputs := []*tensors.Tensor{tensors.FromFlatDataAndDimensions(x, 2, 5, 5, 1)}, []*tensors.Tensor{tensors.FromFlatDataAndDimensions(kernel, 3, 3, 1, 1)}
		for _, c := range []struct {
			step   Step
			device bool
		}{{descend, false}, {smooth, backend.OnDevice(b)}} {
			l := New(b, nil, 1, c.step)
			got, err := l.Run(0, 4, state, inputs)
			if err != nil {
				t.Fatal(err)
			}
			want, err := New(b, nil, 1, c.step).OnHost().Run(0, 4, state, inputs)
			if err != nil {
				t.Fatal(err)
			}
			if l.device != c.device {
				t.Errorf("%s: on the device %t, want %t", name, l.device, c.device)
			}
			g, w := tensors.MustCopyFlatData[float32](got[0]), tensors.MustCopyFlatData[float32](want[0])
			for k := range w {
				if math.Abs(float64(g[k]-w[k])) > 1e-4 {
					t.Errorf("%s: value %d is %g, want %g", name, k, g[k], w[k])
				}
			}
		}
	}
}
