package score

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Model is a learned score: a parametrisation around a network whose weights lie in a store. Models that serve in one
// graph need different names.
type Model struct {
	SDE             sde.SDE
	Parametrisation Parametrisation
	Net             Net
	Std             float64 // standard deviation of the data, over all coordinates
	Store           *model.Store
	Name            string // scope of the variables in the store; may be empty
}

// Func is the score with the averaged (EMA) weights, in a context where the network takes one. It panics where the weights
// are missing: they come from training or from a checkpoint.
func (m *Model) Func(given ...Context) Func { return m.with(m.variables().Averaged, given) }

// Live is the score with the weights under training. It creates them where they do not exist.
func (m *Model) Live(given ...Context) Func { return m.with(m.variables().Live, given) }

// Init gives the weights under training random values, for data of a shape, such as 2 or 28, 28, 1, unless they have values
// already. Loops and training do so by themselves; other executables want weights that exist.
func (m *Model) Init(shape ...int) error {
	if err := m.create(shape); err != nil {
		return err
	}
	return loop.Initialise(m.Store)
}

// create makes the variables under training, without values.
func (m *Model) create(shape []int) error {
	built := fmt.Errorf("score: built")
	exec, err := model.NewExec(backend.Go(), m.Store, func(_ *model.Scope, x, t *Node) *Node {
		defer backend.PanicWithError()
		m.Live()(x, t)
		panic(built) // the graph is only there to create the variables
	})
	if err != nil {
		return err
	}
	if _, err := exec.Compile(shapes.Make(dtypes.Float32, append([]int{1}, shape...)...), shapes.Make(dtypes.Float32, 1)); !errors.Is(err, built) {
		return err
	}
	return nil
}

func (m *Model) with(net func(in Inputs) *Node, given []Context) Func {
	return func(x, t *Node) *Node {
		return m.Parametrisation.Wrap(m.SDE, m.Std, func(scaled, level *Node) *Node {
			in := Inputs{X: scaled, Level: level}
			for _, c := range given {
				in = c.of(x, in)
			}
			return net(in)
		})(x, t)
	}
}

func (m *Model) variables() Variables { return Variables{m.Net, m.Store, m.Name, "score"} }

// Scope is the path of the weights under training.
func (m *Model) Scope() string { return m.variables().Scope() }

// EMAScope is the path of their exponential moving average.
func (m *Model) EMAScope() string { return m.variables().EMAScope() }

// String names the model by its parts.
func (m *Model) String() string {
	return fmt.Sprintf("%s %s for %s", m.Parametrisation, m.Net, m.SDE)
}
