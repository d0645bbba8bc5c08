package train

import (
	"context"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/dataset"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// ClassifierConfig says what classifier is trained and how. Everything in it but the name is part of the run's identity.
type ClassifierConfig struct {
	Recipe
	Objective objective.CrossEntropy
	Net       score.Net // with an output of Classes logits
	Classes   int       // >= 2
	RawTime   bool      // as in score.Classifier
}

// ClassifierDefault is Default's recipe for a classifier.
func ClassifierDefault(name string, s sde.SDE, net score.Net, classes int) ClassifierConfig {
	return ClassifierConfig{
		Recipe:    defaultRecipe(name),
		Objective: objective.CrossEntropy{SDE: s, Time: objective.Stratified{}},
		Net:       net,
		Classes:   classes,
	}
}

// Validate names the first field that cannot be used.
func (c ClassifierConfig) Validate() error {
	if err := c.Recipe.Validate(); err != nil {
		return err
	}
	if c.Classes < 2 {
		return unusable("Classes", c.Classes, ">= 2")
	}
	if err := checkNet(c.Net); err != nil {
		return err
	}
	if err := c.Objective.Validate(); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

// FittedClassifier is a trained classifier. Its name, the scope of its variables, is that of the run's folder.
type FittedClassifier struct {
	*score.Classifier
	RunLog
}

// FitClassifier trains cfg's classifier on the examples of data, whose Given is not used, of the classes labels, [n] in
// [0, Classes), and returns it. It is idempotent and goes on after an interruption as Fit does.
func FitClassifier(ctx context.Context, cfg ClassifierConfig, data Data, labels []int, set Settings) (*FittedClassifier, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	std, err := data.check()
	if err != nil {
		return nil, err
	}
	if data.fresh != nil || data.Mask.Len() > 0 {
		return nil, fmt.Errorf("train: FitClassifier got fresh data or masks, want a table of examples that count whole")
	}
	if n := data.X.Len(); len(labels) != n {
		return nil, fmt.Errorf("train: got %d labels for %d examples, want one each", len(labels), n)
	}
	y, err := score.OneHotRows(labels, cfg.Classes)
	if err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	if data.Given, err = dataset.Rows(y); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	what, err := cfg.describe()
	if err != nil {
		return nil, err
	}
	id := cfg.id(what, data)
	f := &FittedClassifier{Classifier: &score.Classifier{
		SDE: cfg.Objective.SDE, Net: cfg.Net, Classes: cfg.Classes, Std: std, RawTime: cfg.RawTime,
		Store: model.NewStore(), Name: cfg.folder(id),
	}}
	t := &training{
		Recipe: cfg.Recipe, id: id, what: cfg.Objective.String() + "; " + f.Classifier.String(),
		log: &f.RunLog, store: f.Store, net: cfg.Net, out: []int{cfg.Classes}, data: data, netSees: data.parts()[:1],
		form: cfg.form(what, std, data), bind: func(store *model.Store, name string) *stepper {
			c := *f.Classifier
			c.Store, c.Name = store, name
			down := move{kinds: []string{"classifier"}, rate: 1, loss: func(rng noise.Source, batch Batch) *Node {
				return cfg.Objective.Loss(c.Live(), rng, batch.X, batch.Given)
			}}
			return &stepper{batch: cfg.Batch, data: data.drawer(), store: store, name: name, moves: []move{down}}
		},
	}
	if err := t.open(ctx, &set); err != nil {
		return nil, err
	}
	return f, t.advance(ctx, set)
}
