package train

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/host"
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
}

// LossPoint is the mean loss over the steps since the previous point.
type LossPoint struct {
	Step int     `json:"step"`
	Loss float64 `json:"loss"`
}

// Course is how a training went.
type Course struct {
	Dir     string        // of the run
	Steps   int           // steps taken
	Losses  []LossPoint   // mean losses along the way
	Elapsed time.Duration // of the steps and their compilation, over all the calls that took part
	Loaded  bool          // the run had been finished before
}

// training is a run at work, whatever it trains.
type training struct {
	Recipe
	id, what       string // identity, and what checkpoints say for people
	course         *Course
	store          *model.Store
	scope, average string // absolute paths of the weights and of their averages
	net            score.Net
	in, out        int          // widths that the network gets and must return
	tables         []mat.Matrix // whose rows are drawn together, one batch of each
	loss           lossFunc
}

// open loads what the run has left, or begins it, and fills in what set leaves open.
func (t *training) open(ctx context.Context, set *Settings) error {
	if set.Dir == "" {
		set.Dir = filepath.Join(run.Results(), "runs")
	}
	t.course.Dir = filepath.Join(set.Dir, t.folder(t.id))
	fresh, err := t.load()
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
		if err := t.seed(); err != nil {
			return err
		}
	}
	return run.Folder(t.course.Dir)
}

// seed starts the random numbers of a new store: one stream for the initial weights, another for the training.
func (t *training) seed() error {
	if err := t.store.SetRNGStateFromSeed(t.Seed); err != nil {
		return err
	}
	state, err := RNGStateFromSeed(^t.Seed)
	if err != nil {
		return err
	}
	v, err := t.store.CreateVariable(rngPath, state)
	if err != nil {
		return err
	}
	v.SetTrainable(false)
	return nil
}

const checkpointTime = 30 * time.Second

// loop prepares the device loop over the steps and its inputs.
func (t *training) loop(b compute.Backend) (*loop.Loop, []*tensors.Tensor) {
	rates := make([]float32, t.Steps)
	for i := range rates {
		rates[i] = float32(t.Rate(i))
	}
	inputs := []*tensors.Tensor{tensors.FromValue(rates)}
	for _, table := range t.tables {
		inputs = append(inputs, host.Tensor(table, dtypes.Float32))
	}
	return loop.New(b, t.store, states, t.step), inputs
}

// advance runs the remaining steps in chunks.
func (t *training) advance(ctx context.Context, set Settings) error {
	c := t.course
	if c.Loaded {
		return nil
	}
	l, inputs := t.loop(set.Backend)
	saved, chunk := time.Now(), 1
	for c.Steps < t.Steps {
		if ctx.Err() != nil {
			return t.interrupted(ctx)
		}
		start, to := time.Now(), min(c.Steps+chunk, t.Steps)
		state, err := l.Run(c.Steps, to, startState(), inputs)
		if err != nil {
			return fmt.Errorf("train: %w", err)
		}
		if bad := tensors.ToScalar[int32](state[stateBadStep]); bad >= 0 {
			c.Steps = int(bad)
			return errors.Join(fmt.Errorf("train: loss or gradient is not finite at step %d; the weights before it are kept", bad), t.save())
		}
		c.Losses = append(c.Losses, LossPoint{to, float64(tensors.ToScalar[float32](state[stateLossSum])) / float64(to-c.Steps)})
		c.Steps = to
		took := time.Since(start)
		c.Elapsed += took
		t.report(set)
		chunk = loop.NextChunk(chunk, took)
		if time.Since(saved) > checkpointTime && c.Steps < t.Steps {
			if err := t.save(); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	return t.save()
}

func (t *training) report(set Settings) {
	last := t.course.Losses[len(t.course.Losses)-1]
	if set.OnLoss != nil {
		set.OnLoss(last.Step, last.Loss)
	}
	if set.Progress != nil {
		set.Progress(t.course.Steps, t.Steps, fmt.Sprintf("loss %.4f", last.Loss))
	}
}
