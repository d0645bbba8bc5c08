package train

import (
	"context"
	"errors"
	"fmt"
	"os"

	"github.com/gomlx/compute"

	"github.com/scoresde/scoresde/pkg/run"
)

// resolved is the config of a run's folder.
type resolved struct {
	Recipe
	ID      string
	Version int    // recipeVersion
	What    string // the parts, for people
}

func (t *training) options(b compute.Backend) run.Options {
	return run.Options{Seeds: []int64{t.Seed}, Data: t.data.sums(), Backend: b.String(), Device: b.Description()}
}

// claim makes this process the only one at work on the run, unless another one finishes it meanwhile.
func (t *training) claim(ctx context.Context, options run.Options) (err error) {
	config := resolved{Recipe: t.Recipe, ID: t.id, Version: recipeVersion, What: t.what}
	t.trial, err = claim(ctx, t.log.Dir, config, options, func() (bool, error) {
		_, err := t.load(true)
		return t.log.Loaded, err
	})
	return err
}

// claim makes this process the only one at work in a run's folder. While another is, claim waits for it, and then looks
// whether that one has finished the run: the trial is nil if so.
func claim(ctx context.Context, dir string, config any, options run.Options, finished func() (bool, error)) (*run.Trial, error) {
	for told := false; ; told = true {
		trial, err := run.Open(ctx, dir, config, options)
		if !errors.Is(err, run.ErrRunning) {
			return trial, err
		}
		if !told {
			fmt.Fprintf(os.Stderr, "scoresde: waiting: %v\n", err)
		}
		release, err := run.Lock(ctx, dir, true)
		if err != nil {
			return nil, err
		}
		done, err := finished()
		if err := errors.Join(err, release()); err != nil || done {
			return nil, err
		}
	}
}

// finish ends the work on the run with the error that it came to.
func (t *training) finish(err error) error {
	err = errors.Join(err, t.saver.Wait())
	return errors.Join(err, t.trial.Close(err))
}
