package train

import (
	"context"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Fitted is a trained score. Its name, the scope of its variables, is that of the run's folder.
type Fitted struct {
	*score.Model
	RunLog
}

// Fit trains cfg's score on data, examples of any shape [n, ...], and returns it. The network sees the conditions of the examples, where there are some: one
// network serves the score of any condition, Func(score.Context{Given: ...}), and, where cfg.Drop > 0, the score without one,
// given zeros. Fit is idempotent: a finished run is loaded, an interrupted one goes on where its last checkpoint stands. When
// ctx ends, it saves a checkpoint and returns an error that wraps ctx's; when loss or gradient stop being finite, it returns
// an error with the step and keeps the weights before it. Other errors name the field of cfg, data or set that cannot be used,
// before anything is written, or say what went wrong with the run's folder.
func Fit(ctx context.Context, cfg Config, data Data, set Settings) (*Fitted, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	if cfg.Drop != 0 && data.Given.Len() == 0 && data.err == nil {
		return nil, unusable("Drop", cfg.Drop, "0 where there is no condition, or Data.Given")
	}
	std, err := data.check()
	if err != nil {
		return nil, err
	}
	what, err := cfg.describe()
	if err != nil {
		return nil, err
	}
	id := cfg.id(what, data)
	f := &Fitted{Model: cfg.model(std, id)}
	t := &training{
		Recipe: cfg.Recipe, id: id, what: cfg.Objective.String() + "; " + f.Model.String(),
		log: &f.RunLog, store: f.Store, net: cfg.Net, out: data.X.Shape(), data: data, netSees: data.parts(),
		form: cfg.form(what, std, data), bind: func(store *model.Store, name string) *stepper {
			m := *f.Model
			m.Store, m.Name = store, name
			return &stepper{batch: cfg.Batch, data: data.drawer(), store: store, name: name, moves: cfg.moves(&m)}
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

// moves are one down the objective.
func (c Config) moves(m *score.Model) []move {
	return []move{{kinds: []string{"score"}, rate: 1, loss: func(rng noise.Source, batch Batch) *Node {
		batch.Given = c.dropped(rng, batch.Given)
		return c.Objective.Loss(m.Live(batch.Context()), rng, batch.X, batch.Mask)
	}}}
}

// dropped replaces each condition of y [B, ...] by zeros with probability Drop.
func (c Config) dropped(rng noise.Source, y *Node) *Node {
	if c.Drop == 0 {
		return y
	}
	u := rng.Uniform(shapes.Make(dtypes.Float32, y.Shape().Dim(0)))
	keep := GreaterOrEqual(u, ConstAs(u, c.Drop))
	return sde.Times(ConvertDType(keep, y.DType()), y)
}
