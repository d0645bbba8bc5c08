package train

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/run"
	"github.com/scoresde/scoresde/pkg/score"
)

// Settings are what does not change the result.
type Settings struct {
	Backend  compute.Backend                    // nil: backend.Open()
	Dir      string                             // folder of the runs; empty: runs under run.Results()
	Progress func(done, total int, note string) // called a few times per second
	OnLoss   func(step int, loss float64)       // called with the mean loss of each chunk of steps

	CheckpointEvery int // steps from one checkpoint to the next; 0: one every 30 s

	Pool *Pool // whose executables trainings of one form share; nil: each compiles its own
}

// Course is how a training went.
type Course struct {
	Dir     string        // of the run
	Steps   int           // steps taken
	Losses  []LossPoint   // mean losses along the way, at up to 200 steps that depend on Steps only
	Elapsed time.Duration // of the steps and their compilation, over all the calls that took part
	Loaded  bool          // the run had been finished before
}

// training is a run at work, whatever it trains.
type training struct {
	Recipe
	id, what string // identity, and what checkpoints say for people
	course   *Course
	store    *model.Store
	net      score.Net
	in, out  int                                            // widths that the network gets and must return
	tables   []mat.Matrix                                   // whose rows are drawn together, one batch of each
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
	t.course.Dir = filepath.Join(set.Dir, t.folder(t.id))
	fresh, err := t.glance()
	if err != nil || t.course.Loaded {
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
		if err := t.tryNet(set.Backend); err != nil {
			return err
		}
	}
	if err := t.claim(ctx, t.options(set.Backend)); err != nil || t.course.Loaded {
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
	switch status, err := run.ReadStatus(t.course.Dir); {
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
	points := make([]run.Point, len(t.course.Losses))
	for k, p := range t.course.Losses {
		points[k] = p.metrics()
	}
	return t.trial.Rewrite(points)
}

const checkpointTime = 30 * time.Second

// advance runs the remaining steps and ends the work on the run.
func (t *training) advance(ctx context.Context, set Settings) error {
	if t.course.Loaded && t.trial == nil {
		return nil
	}
	return t.finish(t.run(ctx, set))
}

// run runs the remaining steps in chunks.
func (t *training) run(ctx context.Context, set Settings) error {
	c := t.course
	if c.Loaded {
		return nil
	}
	steps, err := t.stepper(set)
	if err != nil {
		return err
	}
	inputs, state := t.inputs(), t.startState()
	saved, chunk, known := time.Now(), 1, total(tensors.MustCopyFlatData[float32](state[stateLossSums]))
	for c.Steps < t.Steps {
		if ctx.Err() != nil {
			return t.interrupted(ctx)
		}
		start, to := time.Now(), min(c.Steps+chunk, t.Steps)
		if n := set.CheckpointEvery; n > 0 {
			to = min(to, (c.Steps/n+1)*n)
		}
		if state, err = steps.run(t, c.Steps, to, state, inputs); err != nil {
			return fmt.Errorf("train: %w", err)
		}
		sums := tensors.MustCopyFlatData[float32](state[stateLossSums])
		if bad := tensors.ToScalar[int32](state[stateBadStep]); bad >= 0 {
			c.Steps = int(bad)
			err := fmt.Errorf("train: loss or gradient is not finite at step %d; the weights before it are kept", bad)
			return errors.Join(err, t.note(sums), t.saveNow())
		}
		mean := (total(sums) - known) / float64(to-c.Steps)
		c.Steps, known = to, total(sums)
		took := time.Since(start)
		c.Elapsed += took
		if err := errors.Join(t.note(sums), t.saver.Failed()); err != nil {
			return err
		}
		t.report(set, mean)
		chunk = loop.NextChunk(chunk, took)
		if c.Steps < t.Steps && due(set, c.Steps, saved) {
			if err := t.save(); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	return t.saveNow()
}

// due says that it is time for a checkpoint.
func due(set Settings, steps int, saved time.Time) bool {
	if set.CheckpointEvery > 0 {
		return steps%set.CheckpointEvery == 0
	}
	return time.Since(saved) > checkpointTime
}

// note logs the points that are complete now.
func (t *training) note(sums []float32) error {
	c := t.course
	before := len(c.Losses)
	c.Losses, t.partial = t.losses(c.Losses, sums, c.Steps)
	for _, p := range c.Losses[before:] {
		m := p.metrics()
		if err := t.trial.Log(m.Step, m.Values); err != nil {
			return err
		}
	}
	return nil
}

func (t *training) report(set Settings, loss float64) {
	if set.OnLoss != nil {
		set.OnLoss(t.course.Steps, loss)
	}
	if set.Progress != nil {
		set.Progress(t.course.Steps, t.Steps, fmt.Sprintf("loss %.4f", loss))
	}
}
