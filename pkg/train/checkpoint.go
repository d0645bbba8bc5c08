package train

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scoresde/scoresde/pkg/run"
)

// record is what a checkpoint holds besides the variables.
type record struct {
	ID      string
	Config  string
	Losses  []LossPoint
	Seconds float64
}

// load reads the newest checkpoint; fresh says that there is none.
func (t *training) load() (fresh bool, err error) {
	c := t.course
	var past record
	switch c.Steps, err = run.Load(c.Dir, t.store, &past); {
	case errors.Is(err, run.ErrNoCheckpoint):
		return true, nil
	case err != nil:
		return false, err
	case past.ID != t.id:
		return false, fmt.Errorf("train: the checkpoint in %s belongs to run %q, want %q; remove the folder", c.Dir, past.ID, t.id)
	}
	c.Losses, c.Elapsed = past.Losses, time.Duration(past.Seconds*float64(time.Second))
	c.Loaded = c.Steps >= t.Steps
	return false, nil
}

func (t *training) save() error {
	c := t.course
	return run.Save(c.Dir, t.store, c.Steps, record{ID: t.id, Config: t.what, Losses: c.Losses, Seconds: c.Elapsed.Seconds()})
}

// interrupted keeps what was done. The error tells a person how to go on.
func (t *training) interrupted(ctx context.Context) error {
	done := t.course.Steps
	if done == 0 {
		return fmt.Errorf("train: stopped before the first step: %w", context.Cause(ctx))
	}
	if err := t.save(); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return fmt.Errorf("train: stopped after step %d of %d, checkpoint saved; run again to go on: %w", done, t.Steps, context.Cause(ctx))
}
