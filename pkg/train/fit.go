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

// Fitted is a trained score.
type Fitted struct {
	*score.Model
	Dir     string        // of the run
	Steps   int           // steps taken
	Losses  []LossPoint   // the course of training
	Elapsed time.Duration // of the steps and their compilation, over all the calls that took part
	Loaded  bool          // the run had been finished before
	id      string
}

// record is what a checkpoint holds besides the variables.
type record struct {
	ID      string
	Config  string
	Losses  []LossPoint
	Seconds float64
}

// Fit trains cfg's score on the rows of data and returns it. It is idempotent: a finished run is loaded, an interrupted
// one goes on where its last checkpoint stands. When ctx ends, Fit saves a checkpoint and returns an error that wraps
// ctx's; when loss or gradient stop being finite, it returns an error with the step and keeps the weights before it.
func Fit(ctx context.Context, cfg Config, data mat.Matrix, set Settings) (*Fitted, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	std, err := checkData(data)
	if err != nil {
		return nil, err
	}
	if set.Dir == "" {
		set.Dir = filepath.Join(run.Results(), "runs")
	}
	id, err := cfg.id(data)
	if err != nil {
		return nil, err
	}
	dir := filepath.Join(set.Dir, cfg.Name+"-"+id)
	if err := run.Folder(dir); err != nil {
		return nil, err
	}
	f := &Fitted{Dir: dir, Model: &score.Model{
		SDE: cfg.Objective.SDE, Parametrisation: cfg.Parametrisation, Net: cfg.Net, Std: std, Store: model.NewStore(),
	}}
	var past record
	switch f.Steps, err = run.Load(dir, f.Store, &past); {
	case errors.Is(err, run.ErrNoCheckpoint):
		if err := cfg.begin(f.Store); err != nil {
			return nil, err
		}
	case err != nil:
		return nil, err
	case past.ID != id:
		return nil, fmt.Errorf("train: the checkpoint in %s belongs to run %q, want %q; remove the folder", dir, past.ID, id)
	}
	f.id, f.Losses, f.Elapsed = id, past.Losses, time.Duration(past.Seconds*float64(time.Second))
	if f.Steps >= cfg.Steps {
		f.Loaded = true
		return f, nil
	}
	if set.Backend == nil {
		if set.Backend, err = backend.Open(); err != nil {
			return nil, err
		}
	}
	return f, cfg.advance(ctx, f, data, set)
}

// begin seeds a new store: one stream for the initial weights, another for the training.
func (c Config) begin(store *model.Store) error {
	if err := store.SetRNGStateFromSeed(c.Seed); err != nil {
		return err
	}
	state, err := RNGStateFromSeed(^c.Seed)
	if err != nil {
		return err
	}
	v, err := store.CreateVariable(rngPath, state)
	if err != nil {
		return err
	}
	v.SetTrainable(false)
	return nil
}

const checkpointTime = 30 * time.Second

// advance runs the remaining steps in chunks.
func (c Config) advance(ctx context.Context, f *Fitted, data mat.Matrix, set Settings) error {
	live := f.Live()
	l := loop.New(set.Backend, f.Store, states, c.step(func(rng, batch *Node) (*Node, *Node) {
		return c.Objective.Loss(live, rng, batch)
	}))
	rates := make([]float32, c.Steps)
	for i := range rates {
		rates[i] = float32(c.Rate(i))
	}
	inputs := []*tensors.Tensor{host.Tensor(data, dtypes.Float32), tensors.FromValue(rates)}
	saved, chunk := time.Now(), 1
	for f.Steps < c.Steps {
		if ctx.Err() != nil {
			return c.interrupted(ctx, f)
		}
		start, to := time.Now(), min(f.Steps+chunk, c.Steps)
		state := []*tensors.Tensor{tensors.FromScalar(float32(0)), tensors.FromScalar(int32(-1))}
		state, err := l.Run(f.Steps, to, state, inputs)
		if err != nil {
			return fmt.Errorf("train: %w", err)
		}
		if bad := tensors.ToScalar[int32](state[stateBadStep]); bad >= 0 {
			f.Steps = int(bad)
			return errors.Join(fmt.Errorf("train: loss or gradient is not finite at step %d; the weights before it are kept", bad), c.save(f))
		}
		f.Losses = append(f.Losses, LossPoint{to, float64(tensors.ToScalar[float32](state[stateLossSum])) / float64(to-f.Steps)})
		f.Steps = to
		took := time.Since(start)
		f.Elapsed += took
		c.report(f, set)
		chunk = loop.NextChunk(chunk, took)
		if time.Since(saved) > checkpointTime && f.Steps < c.Steps {
			if err := c.save(f); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	return c.save(f)
}

func (c Config) report(f *Fitted, set Settings) {
	last := f.Losses[len(f.Losses)-1]
	if set.OnLoss != nil {
		set.OnLoss(last.Step, last.Loss)
	}
	if set.Progress != nil {
		set.Progress(f.Steps, c.Steps, fmt.Sprintf("loss %.4f", last.Loss))
	}
}

func (c Config) save(f *Fitted) error {
	return run.Save(f.Dir, f.Store, f.Steps, record{
		ID: f.id, Config: fmt.Sprintf("%s; %s", c.Objective, f.Model), Losses: f.Losses, Seconds: f.Elapsed.Seconds(),
	})
}

// interrupted keeps what was done. The error tells a person how to go on.
func (c Config) interrupted(ctx context.Context, f *Fitted) error {
	if f.Steps == 0 {
		return fmt.Errorf("train: stopped before the first step: %w", context.Cause(ctx))
	}
	if err := c.save(f); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return fmt.Errorf("train: stopped after step %d of %d, checkpoint saved; run again to go on: %w", f.Steps, c.Steps, context.Cause(ctx))
}
