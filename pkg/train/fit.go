package train

import (
	"context"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/score"
)

// Fitted is a trained score. Its name, the scope of its variables, is that of the run's folder.
type Fitted struct {
	*score.Model
	RunLog
}

// Fit trains cfg's score on the rows of data and returns it. It is idempotent: a finished run is loaded, an interrupted
// one goes on where its last checkpoint stands. When ctx ends, Fit saves a checkpoint and returns an error that wraps
// ctx's; when loss or gradient stop being finite, it returns an error with the step and keeps the weights before it.
func Fit(ctx context.Context, cfg Config, data mat.Matrix, set Settings) (*Fitted, error) {
	if cfg.Drop != 0 {
		return nil, unusable("Drop", cfg.Drop, "0 where there is no condition; FitGiven takes one")
	}
	std, err := checkScore(cfg, data)
	if err != nil {
		return nil, err
	}
	_, d := data.Dims()
	return cfg.fit(ctx, std, []mat.Matrix{data}, d, set)
}

// FitGiven trains the score given a condition, as Fit does: row i of y, [n, c] finite numbers, is the condition of row i
// of data, [n, d]; the one-hot code of a class, say (score.OneHotRows). The network sees the condition as c further
// coordinates and must state that its output has d. One network serves the score of any condition, FuncGiven(y), and,
// where cfg.Drop > 0, the score without one, FuncGiven of zeros.
func FitGiven(ctx context.Context, cfg Config, data, y mat.Matrix, set Settings) (*Fitted, error) {
	std, err := checkScore(cfg, data)
	if err != nil {
		return nil, err
	}
	if err := checkConditions(y, data); err != nil {
		return nil, err
	}
	_, d := data.Dims()
	_, c := y.Dims()
	return cfg.fit(ctx, std, []mat.Matrix{data, y}, d+c, set)
}

func checkScore(cfg Config, data mat.Matrix) (std float64, err error) {
	if err := cfg.Validate(); err != nil {
		return 0, err
	}
	return checkData(data)
}

// fit trains on the tables data and, where there is one, condition. The network sees in coordinates.
func (c Config) fit(ctx context.Context, std float64, tables []mat.Matrix, in int, set Settings) (*Fitted, error) {
	what, err := c.describe()
	if err != nil {
		return nil, err
	}
	id := c.id(what, tables)
	f := &Fitted{Model: c.model(std, id)}
	_, d := tables[0].Dims()
	t := &training{
		Recipe: c.Recipe, id: id, what: c.Objective.String() + "; " + f.Model.String(),
		log: &f.RunLog, store: f.Store, net: c.Net, in: in, out: d, tables: tables,
		form: c.form(what, std, tables), bind: func(store *model.Store, name string) *stepper {
			m := *f.Model
			m.Store, m.Name = store, name
			return &stepper{batch: c.Batch, store: store, scope: m.Scope(), average: m.EMAScope(), loss: c.loss(&m)}
		},
	}
	if err := t.open(ctx, &set); err != nil {
		return nil, err
	}
	return f, t.advance(ctx, set)
}

// model is the score to train, for data of standard deviation std.
func (c Config) model(std float64, id string) *score.Model {
	return &score.Model{
		SDE: c.Objective.Process(), Parametrisation: c.Parametrisation, Net: c.Net, Std: std, Store: model.NewStore(), Name: c.folder(id),
	}
}

// loss is that of batches of data [B, d], or of data and condition [B, c].
func (c Config) loss(m *score.Model) lossFunc {
	return func(rng *Node, batch []*Node) (newRNG, loss *Node) {
		if len(batch) == 1 {
			return c.Objective.Loss(m.Live(), rng, batch[0])
		}
		rng, y := c.dropped(rng, batch[1])
		return c.Objective.Loss(m.Live(score.Context{Given: func(*Node) *Node { return y }}), rng, batch[0])
	}
}

// dropped replaces each row of y [B, c] by zeros with probability Drop.
func (c Config) dropped(rng, y *Node) (newRNG, kept *Node) {
	if c.Drop == 0 {
		return rng, y
	}
	rng, u := RandomUniform(rng, shapes.Make(dtypes.Float32, y.Shape().Dim(0), 1))
	keep := GreaterOrEqual(u, ConstAs(u, c.Drop))
	return rng, Mul(y, ConvertDType(keep, y.DType()))
}
