package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/run"
	"github.com/scoresde/scoresde/pkg/score"
)

// Settings are what does not change the result.
type Settings struct {
	Backend  compute.Backend                    // nil: backend.Open()
	Dir      string                             // folder of the runs; empty: runs under run.Results()
	Progress func(done, total int, note string) // called a few times per second
	OnLoss   func(step int, loss float64)       // called with each point of RunLog.Losses, some time after its step

	CheckpointEvery int // steps from one checkpoint to the next; 0: one every 30 s

	Pool *Pool // whose executables trainings of one form share; nil: each compiles its own
}

// training is the state of a call that trains something: what, on which data, and how far it has come.
type training struct {
	Recipe
	id, what string // identity, and what checkpoints say for people
	log      *RunLog
	store    *model.Store
	net      score.Net // one that is to return out; nil: the steps will show
	out      []int     // shape of what the network must return of an example
	data     Data
	netSees  []part                                         // the parts of data that the network sees
	form     string                                         // equal for trainings that can share an executable
	bind     func(store *model.Store, name string) *stepper // the step over the variables of a store
	weights  *stepper                                       // with a pool: the run's own store, for the paths in it
	trial    *run.Trial                                     // nil until this process is at work on the run
	saver    run.Saver
	partial  float32 // sum of the losses since the last point
}

// open loads what the run has left, or begins it, and fills in what set leaves open.
func (t *training) open(ctx context.Context, set *Settings) error {
	if set.CheckpointEvery < 0 {
		return unusable("CheckpointEvery", set.CheckpointEvery, ">= 0")
	}
	if set.Dir == "" {
		set.Dir = filepath.Join(run.Results(), "runs")
	}
	t.log.Dir = filepath.Join(set.Dir, t.folder(t.id))
	fresh, err := t.glance()
	if err != nil || t.log.Loaded {
		return err
	}
	if set.Backend == nil {
		if set.Backend, err = backend.Open(); err != nil {
			return err
		}
	}
	if fresh {
		if ctx.Err() != nil {
			return t.interrupted(ctx)
		}
		if t.net != nil {
			if err := t.tryNet(set.Backend); err != nil {
				return err
			}
		}
	}
	if err := t.claim(ctx, t.options(set.Backend)); err != nil || t.log.Loaded {
		return err
	}
	if err := t.begin(); err != nil {
		return t.finish(err)
	}
	return nil
}

// glance loads a finished run, without the lock: nobody changes one. The folders of runs that were finished before they
// had a status have none.
func (t *training) glance() (fresh bool, err error) {
	switch status, err := run.ReadStatus(t.log.Dir); {
	case errors.Is(err, fs.ErrNotExist) || status.State == run.Done:
		return t.load(true)
	case err != nil:
		fmt.Fprintln(os.Stderr, "scoresde:", err) // the run will write another
	}
	return false, nil
}

// begin loads the run under the lock, or seeds a new one.
func (t *training) begin() error {
	fresh, err := t.load(false)
	if err != nil {
		return err
	}
	if fresh {
		if err := t.seed(t.store); err != nil {
			return err
		}
	}
	points := make([]run.Point, len(t.log.Losses))
	for k, p := range t.log.Losses {
		points[k] = p.metrics()
	}
	return t.trial.Rewrite(points)
}
