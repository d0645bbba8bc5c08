package score

import (
	"fmt"
	"slices"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/internal/loop"
)

// WithVariables is a score with variables of its own, in a store that whatever samples, integrates or measures it reads.
// Stores that serve in one graph need different paths.
func WithVariables(store *model.Store, f func(scope *model.Scope, x, t *Node) *Node) Func {
	return func(x, t *Node) *Node {
		loop.Use(x, store)
		return f(store.RootScope(), x, t)
	}
}

// SetWeights gives the network averaged weights, those of Func, by their paths below the network's scope, as Weights names
// them: "hidden_1/dense/weights". A copy is made. It returns an error, and changes nothing, where a name is missing or unknown or a
// shape is another; shape is that of one example, which tells what variables there are.
func (m *Model) SetWeights(values map[string]*tensors.Tensor, shape ...int) error {
	known := &Model{SDE: m.SDE, Parametrisation: m.Parametrisation, Net: m.Net, Std: m.Std, Store: model.NewStore(), Name: m.Name}
	if err := known.create(shape); err != nil {
		return err
	}
	var wrong []string
	want := map[string]bool{}
	for v := range known.Store.Scope(known.Scope()).IterVariables() {
		name := strings.TrimPrefix(v.Path(), known.Scope()+"/")
		want[name] = true
		switch got := values[name]; {
		case got == nil:
			wrong = append(wrong, fmt.Sprintf("%s is missing", name))
		case !got.Shape().Equal(v.Shape()):
			wrong = append(wrong, fmt.Sprintf("%s has shape %s, want %s", name, got.Shape(), v.Shape()))
		}
	}
	for name := range values {
		if !want[name] {
			wrong = append(wrong, fmt.Sprintf("%s is no weight of it", name))
		}
	}
	if len(wrong) > 0 {
		slices.Sort(wrong)
		return fmt.Errorf("score: weights of %s: %s", m, strings.Join(wrong, "; "))
	}
	for name, value := range values {
		own, err := value.LocalClone()
		if err != nil {
			return fmt.Errorf("score: %s: %w", name, err)
		}
		if old := m.Store.GetVariable(m.EMAScope() + "/" + name); old != nil {
			err = old.SetValue(own)
		} else {
			_, err = m.Store.CreateVariable(m.EMAScope()+"/"+name, own)
		}
		if err != nil {
			return fmt.Errorf("score: %s: %w", name, err)
		}
	}
	return nil
}

// Weights copies the averaged weights, those of Func, by their paths below the network's scope.
func (m *Model) Weights() (map[string]*tensors.Tensor, error) {
	values := map[string]*tensors.Tensor{}
	for v := range m.Store.Scope(m.EMAScope()).IterVariables() {
		value, err := v.Value()
		if err == nil {
			value, err = value.LocalClone()
		}
		if err != nil {
			return nil, fmt.Errorf("score: %s: %w", v.Path(), err)
		}
		values[strings.TrimPrefix(v.Path(), m.EMAScope()+"/")] = value
	}
	return values, nil
}
