package loop

import (
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

// holding is a store with one variable.
func holding(t *testing.T, path string, value float32) (*model.Store, *model.Variable) {
	t.Helper()
	s := model.NewStore()
	v, err := s.CreateVariable(path, tensors.FromScalar(value))
	if err != nil {
		t.Fatal(err)
	}
	return s, v
}

// eachDriver runs f with the drivers that each backend has.
func eachDriver(t *testing.T, f func(t *testing.T, drive func(store *model.Store, step Step) *Loop)) {
	for name, b := range backendtest.All(t) {
		t.Run(name, func(t *testing.T) {
			f(t, func(store *model.Store, step Step) *Loop { return New(b, store, 1, step) })
		})
		t.Run(name+" on host", func(t *testing.T) {
			f(t, func(store *model.Store, step Step) *Loop { return New(b, store, 1, step).OnHost() })
		})
	}
}

func zero() []*tensors.Tensor { return []*tensors.Tensor{tensors.FromScalar(float32(0))} }

// TestForeignVariables: a step reads variables of stores of others beside its own, and sees what the host has put there
// since, without another build. Its own it may change.
func TestForeignVariables(t *testing.T) {
	eachDriver(t, func(t *testing.T, drive func(*model.Store, Step) *Loop) {
		own, count := holding(t, "/count", 0)
		a, va := holding(t, "/a", 10)
		b, vb := holding(t, "/b", 1000)
		unused, _ := holding(t, "/unused", 7)
		l := drive(own, func(_ *model.Scope, i *Node, state, _ []*Node) []*Node {
			g := i.Graph()
			for _, s := range []*model.Store{a, b, unused, a, own} {
				Use(i, s)
			}
			count.SetNodeValue(Add(count.NodeValue(g), va.NodeValue(g)))
			return []*Node{Add(Add(state[0], count.NodeValue(g)), vb.NodeValue(g))}
		})
		for _, c := range []struct{ a, b, count, sum float32 }{
			{10, 1000, 30, 10 + 20 + 30 + 3000}, {1, 1000, 33, 31 + 32 + 33 + 3000}, {1, -5, 36, 34 + 35 + 36 - 15},
		} {
			for v, value := range map[*model.Variable]float32{va: c.a, vb: c.b} {
				if err := v.SetValue(tensors.FromScalar(value)); err != nil {
					t.Fatal(err)
				}
			}
			state, err := l.Run(0, 3, zero(), nil)
			if err != nil {
				t.Fatal(err)
			}
			if got := tensors.ToScalar[float32](state[0]); got != c.sum {
				t.Errorf("a = %g, b = %g: sum %g, want %g", c.a, c.b, got, c.sum)
			}
			if got := tensors.ToScalar[float32](count.MustValue()); got != c.count {
				t.Errorf("a = %g, b = %g: the own variable is %g, want %g", c.a, c.b, got, c.count)
			}
		}
		if l.Builds() != 1 {
			t.Errorf("%d builds, want 1", l.Builds())
		}
	})
}

// TestForeignChange: a step that changes a variable of another store is refused, and the variable keeps its value.
func TestForeignChange(t *testing.T) {
	eachDriver(t, func(t *testing.T, drive func(*model.Store, Step) *Loop) {
		other, v := holding(t, "/other", 3)
		l := drive(nil, func(_ *model.Scope, i *Node, state, _ []*Node) []*Node {
			Use(i, other)
			v.SetNodeValue(Add(v.NodeValue(i), Const(i.Graph(), float32(1))))
			return []*Node{Add(state[0], v.NodeValue(i))}
		})
		for range 2 {
			if state, err := l.Run(0, 2, zero(), nil); err == nil || !strings.Contains(err.Error(), "/other, which belongs to another store") {
				t.Errorf("got %v and error %v", state, err)
			}
		}
		if got := tensors.ToScalar[float32](v.MustValue()); got != 3 {
			t.Errorf("the variable became %g", got)
		}
	})
}

// TestClash: two stores with variables of one path cannot serve one graph, whichever is used first.
func TestClash(t *testing.T) {
	eachDriver(t, func(t *testing.T, drive func(*model.Store, Step) *Loop) {
		one, v := holding(t, "/same", 1)
		two, w := holding(t, "/same", 2)
		for _, own := range []*model.Store{nil, one} {
			_, err := drive(own, func(_ *model.Scope, i *Node, state, _ []*Node) []*Node {
				Use(i, one)
				x := Add(state[0], v.NodeValue(i))
				Use(i, two)
				return []*Node{Add(x, w.NodeValue(i))}
			}).Run(0, 1, zero(), nil)
			if err == nil || !strings.Contains(err.Error(), "called /same") {
				t.Errorf("own store %t: error %v", own != nil, err)
			}
		}
	})
}
