package train

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/scoresde/scoresde/pkg/run"
)

// record is what a checkpoint holds besides the variables.
type record struct {
	ID      string
	Config  string
	Losses  []LossPoint
	Partial float32 // sum of the losses since the last point
	Seconds float64
}

// load reads the newest checkpoint, with finished only that of a finished run. fresh says that there is none.
func (t *training) load(finished bool) (fresh bool, err error) {
	var past record
	store := model.NewStore()
	steps, err := run.Load(t.log.Dir, store, &past)
	switch {
	case errors.Is(err, run.ErrNoCheckpoint):
		return true, nil
	case err != nil:
		return false, err
	case past.ID != t.id:
		return false, fmt.Errorf("train: the checkpoint in %s belongs to run %q, want %q; remove the folder", t.log.Dir, past.ID, t.id)
	case finished && steps < t.Steps:
		return false, nil
	}
	for v := range store.IterVariables() {
		if v.Path() == "/"+optimizer.GlobalStepVariableName { // GoMLX adds it to what it writes
			continue
		}
		own, err := t.store.CreateVariable(v.Path(), v.MustValue())
		if err != nil {
			return false, fmt.Errorf("train: %w", err)
		}
		own.SetTrainable(v.Trainable)
	}
	log := t.log
	log.Steps, log.Losses, log.Elapsed = steps, past.Losses, time.Duration(past.Seconds*float64(time.Second))
	log.Loaded = log.Steps >= t.Steps
	t.partial = past.Partial
	return false, nil
}

// save writes a checkpoint in the background. What had gone wrong with the one before, it reports.
func (t *training) save() error {
	if err := t.trial.Held(); err != nil {
		return err
	}
	log := t.log
	return t.saver.Save(log.Dir, t.store, log.Steps, record{
		ID: t.id, Config: t.what, Losses: log.Losses, Partial: t.partial, Seconds: log.Elapsed.Seconds(),
	})
}

// saveNow returns when the checkpoint is on the disk.
func (t *training) saveNow() error { return errors.Join(t.save(), t.saver.Wait()) }

// interrupted keeps what was done. The error tells a person how to go on.
func (t *training) interrupted(ctx context.Context) error {
	done := t.log.Steps
	if done == 0 {
		return fmt.Errorf("train: stopped before the first step: %w", context.Cause(ctx))
	}
	if err := t.saveNow(); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return fmt.Errorf("train: stopped after step %d of %d, checkpoint saved; run again to go on: %w", done, t.Steps, context.Cause(ctx))
}
