package train

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/run"
)

// assembly is an ensemble at work.
type assembly struct {
	Settings
	cfgs     []Config
	id, dir  string
	stack    *stack // at the step of the record; nil before the first
	steps    int
	progress ensembleRecord
	trial    *run.Trial
}

// ensembleRecord is what a checkpoint holds besides the stack.
type ensembleRecord struct {
	ID      string
	Losses  [][]LossPoint // by member
	Partial []float32     // by member: sum of the losses since the last point
	Bad     []int         // first bad step of each member, -1 for none
	Seconds float64
}

// done says that there is nothing to train any more.
func (a *assembly) done() bool {
	return a.steps >= a.cfgs[0].Steps || a.stack != nil && !slices.Contains(a.progress.Bad, -1)
}

// load reads the newest checkpoint, if there is one, and tells whether it is of a finished ensemble.
func (a *assembly) load() (finished bool, err error) {
	store := model.NewStore()
	var past ensembleRecord
	step, err := run.Load(a.dir, store, &past)
	switch k := len(a.cfgs); {
	case errors.Is(err, run.ErrNoCheckpoint):
		return false, nil
	case err != nil:
		return false, err
	case past.ID != a.id:
		return false, fmt.Errorf("train: the checkpoint in %s belongs to ensemble %q, want %q; remove the folder", a.dir, past.ID, a.id)
	case len(past.Losses) != k || len(past.Partial) != k || len(past.Bad) != k:
		return false, fmt.Errorf("train: the checkpoint in %s is of %d members, want %d; remove the folder", a.dir, len(past.Losses), k)
	}
	finished = step >= a.cfgs[0].Steps || !slices.Contains(past.Bad, -1)
	if a.stack, err = stackFrom(store, len(a.cfgs), finished); err != nil {
		return false, err
	}
	a.steps, a.progress = step, past
	return finished, nil
}

func (a *assembly) save() error {
	if err := a.trial.Held(); err != nil {
		return err
	}
	store, err := a.stack.store(a.done())
	if err != nil {
		return err
	}
	return run.Save(a.dir, store, a.steps, a.progress)
}

// begin gives the members their initial weights.
func (a *assembly) begin(layers []layer) {
	k := len(a.cfgs)
	a.stack = newStack(layers, k)
	a.stack.initialise(a.cfgs)
	a.progress = ensembleRecord{ID: a.id, Losses: make([][]LossPoint, k), Partial: make([]float32, k), Bad: slices.Repeat([]int{-1}, k)}
}

// ensembleConfig is the config of an ensemble's folder.
type ensembleConfig struct {
	ID      string
	Version int
	What    string // what the members share, for people
	Members []Recipe
}

// work trains what is left to train, as the only process at work in the folder. It tells whether another one has finished
// the ensemble meanwhile.
func (t *Trainer) work(ctx context.Context, a *assembly, std float64, data mat.Matrix) (loaded bool, err error) {
	if ctx.Err() != nil {
		return false, fmt.Errorf("train: ensemble stopped before it started: %w", context.Cause(ctx))
	}
	if err := t.open(); err != nil {
		return false, err
	}
	_, d := data.Dims()
	layers, err := t.layersOf(a.cfgs[0].Net.(eachNet), d)
	if err != nil {
		return false, err
	}
	h := sha256.New()
	hashTable(h, data)
	config := ensembleConfig{ID: a.id, Version: ensembleVersion, What: a.cfgs[0].structure().String()}
	options := run.Options{Data: map[string]string{tableNames[0]: fmt.Sprintf("%x", h.Sum(nil))}, Backend: t.backend.String(), Device: t.backend.Description()}
	for _, c := range a.cfgs {
		config.Members, options.Seeds = append(config.Members, c.Recipe), append(options.Seeds, c.Seed)
	}
	a.trial, err = claim(ctx, a.dir, config, options, a.load)
	if err != nil || a.trial == nil {
		return a.trial == nil, err
	}
	err = t.train(ctx, a, std, data, layers)
	return false, errors.Join(err, a.trial.Close(err))
}

// interrupted keeps what was done. The error tells a person how to go on.
func (a *assembly) interrupted(ctx context.Context) error {
	if a.steps == 0 {
		return fmt.Errorf("train: ensemble stopped before the first step: %w", context.Cause(ctx))
	}
	if err := a.save(); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return fmt.Errorf("train: ensemble stopped after step %d of %d, checkpoint saved; run again to go on: %w", a.steps, a.cfgs[0].Steps, context.Cause(ctx))
}
