package train

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/internal/loop"
)

const checkpointTime = 30 * time.Second

// advance runs the remaining steps and ends the work on the run.
func (t *training) advance(ctx context.Context, set Settings) error {
	if t.log.Loaded && t.trial == nil {
		return nil
	}
	return t.finish(t.run(ctx, set))
}

// run runs the remaining steps in chunks.
func (t *training) run(ctx context.Context, set Settings) error {
	log := t.log
	if log.Loaded {
		return nil
	}
	steps, inputs, err := t.stepper(set)
	if err != nil {
		return err
	}
	defer release(inputs)
	state := t.startState()
	saved, chunk, known := time.Now(), 1, total(tensors.MustCopyFlatData[float32](state[stateLossSums]))
	for log.Steps < t.Steps {
		if ctx.Err() != nil {
			return t.interrupted(ctx)
		}
		start, to := time.Now(), min(log.Steps+chunk, t.Steps)
		if n := set.CheckpointEvery; n > 0 {
			to = min(to, (log.Steps/n+1)*n)
		}
		if state, err = steps.run(t, log.Steps, to, state, inputs); err != nil {
			return fmt.Errorf("train: %w", err)
		}
		sums := tensors.MustCopyFlatData[float32](state[stateLossSums])
		if bad := tensors.ToScalar[int32](state[stateBadStep]); bad >= 0 {
			log.Steps = int(bad)
			err := fmt.Errorf("train: loss or gradient is not finite at step %d; the weights before it are kept", bad)
			return errors.Join(err, t.note(set, sums), t.saveNow())
		}
		mean := (total(sums) - known) / float64(to-log.Steps)
		log.Steps, known = to, total(sums)
		took := time.Since(start)
		log.Elapsed += took
		log.Compile = steps.compiled()
		if err := errors.Join(t.note(set, sums), t.saver.Failed()); err != nil {
			return err
		}
		t.report(set, mean)
		chunk = loop.NextChunk(chunk, took)
		if log.Steps < t.Steps && due(set, log.Steps, saved) {
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

// release frees the memory of tensors now, on the host and on devices, which the collector sees too little of to hurry.
func release(all []*tensors.Tensor) {
	for _, t := range all {
		t.FinalizeAll() // its errors are of tensors that are freed already
	}
}
