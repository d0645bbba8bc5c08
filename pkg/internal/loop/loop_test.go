package loop

import (
	"math"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
)

// backends lists the Go engine and, where a plugin is installed, XLA.
func backends(t *testing.T) map[string]compute.Backend {
	all := map[string]compute.Backend{"go": backend.Go()}
	if b, err := backend.Open(); err != nil {
		t.Fatal(err)
	} else if backend.OnDevice(b) {
		all[backend.Describe().Name] = b
	}
	return all
}

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
	for name, b := range backends(t) {
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
