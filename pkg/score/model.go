package score

import (
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/sde"
)

// Net is a network F(x, noise) of the shape of x [B, d]; noise is [B] or [1]. Its variables live in scope.
type Net interface {
	Apply(scope *model.Scope, x, noise *Node) *Node
	String() string
}

// Scopes of a Model's variables in its store.
const (
	Scope    = "score"     // the weights that training changes
	EMAScope = "ema/score" // their bias-corrected exponential moving average
)

// Model is a learned score: a parametrisation around a network whose weights lie in a store.
type Model struct {
	SDE             sde.SDE
	Parametrisation Parametrisation
	Net             Net
	Std             float64 // standard deviation of the data, over all coordinates
	Store           *model.Store
}

// Func is the score with the averaged (EMA) weights. It panics where they are missing: they come from training or from
// a checkpoint.
func (m *Model) Func() Func {
	return func(x, t *Node) *Node {
		known := m.Store.NumVariables()
		y := m.with(EMAScope)(x, t)
		if m.forget(known) {
			panic(fmt.Errorf("score: model %s has no averaged weights: train it or load a checkpoint first", m))
		}
		return y
	}
}

// forget removes all variables but the first known ones, so that nothing takes them for weights later, and tells
// whether there were any.
func (m *Model) forget(known int) bool {
	all := slices.Collect(m.Store.IterVariables())
	for _, v := range all[known:] {
		if err := m.Store.DeleteVariable(v.Path()); err != nil {
			panic(err)
		}
	}
	return len(all) > known
}

// Live is the score with the weights under training. It creates them where they do not exist.
func (m *Model) Live() Func { return m.with(Scope) }

func (m *Model) with(scope string) Func {
	return func(x, t *Node) *Node {
		s := m.Store.Scope("/" + scope)
		return m.Parametrisation.Wrap(m.SDE, m.Std, func(x, noise *Node) *Node { return m.Net.Apply(s, x, noise) })(x, t)
	}
}

// String names the model by its parts.
func (m *Model) String() string {
	return fmt.Sprintf("%s %s for %s", m.Parametrisation, m.Net, m.SDE)
}
