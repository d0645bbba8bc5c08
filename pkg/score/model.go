package score

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Net is a network F(x, noise) of the shape of x [B, d]; noise is [B] or [1]. Its variables live in scope.
type Net interface {
	Apply(scope *model.Scope, x, noise *Node) *Node
	String() string
}

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

// Func is the score with the averaged (EMA) weights. It panics where they are missing: they come from training or from
// a checkpoint.
func (m *Model) Func() Func { return m.with(m.weights().averaged, nil) }

// Live is the score with the weights under training. It creates them where they do not exist.
func (m *Model) Live() Func { return m.with(m.weights().live, nil) }

// Init gives the weights under training random values, for data in dim dimensions, unless they have values already. Loops
// and training do so by themselves; other executables want weights that exist.
func (m *Model) Init(b compute.Backend, dim int) error {
	built := fmt.Errorf("score: built")
	exec, err := model.NewExec(b, m.Store, func(_ *model.Scope, x, t *Node) *Node {
		m.Live()(x, t)
		panic(built) // the graph is only there to create the variables
	})
	if err != nil {
		return err
	}
	if _, err := exec.Compile(shapes.Make(dtypes.Float32, 1, dim), shapes.Make(dtypes.Float32, 1)); !errors.Is(err, built) {
		return err
	}
	return loop.Initialise(m.Store)
}

// FuncGiven is Func for a network with a condition y(x), [B, c], that enters it beside x as further coordinates: the
// one-hot code of a class, say. Its Net must state its Output, since it sees more coordinates than it returns.
func (m *Model) FuncGiven(y func(x *Node) *Node) Func { return m.with(m.weights().averaged, y) }

// LiveGiven is FuncGiven with the weights under training.
func (m *Model) LiveGiven(y func(x *Node) *Node) Func { return m.with(m.weights().live, y) }

func (m *Model) with(net func(x, noise *Node) *Node, y func(x *Node) *Node) Func {
	return func(x, t *Node) *Node {
		return m.Parametrisation.Wrap(m.SDE, m.Std, func(in, noise *Node) *Node {
			if y != nil {
				in = Concatenate([]*Node{in, y(x)}, -1)
			}
			return net(in, noise)
		})(x, t)
	}
}

func (m *Model) weights() weights {
	return weights{m.Net, m.Store, m.Scope(), m.EMAScope(), m.String()}
}

// Scope is the path of the weights under training.
func (m *Model) Scope() string { return scope(m.Name, "score") }

// EMAScope is the path of their exponential moving average.
func (m *Model) EMAScope() string { return scope(m.Name, "ema/score") }

// String names the model by its parts.
func (m *Model) String() string {
	return fmt.Sprintf("%s %s for %s", m.Parametrisation, m.Net, m.SDE)
}
