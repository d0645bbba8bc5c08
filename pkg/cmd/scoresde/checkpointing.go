package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/train"
)

// Steps of checkpointing: between two checkpoints, and in the whole of a run.
const (
	checkpointSteps = 500
	checkpointTurns = 21
)

// checkpointing compares the time of training with a checkpoint every 500 steps to that without. Two runs take turns of
// 500 steps, so that each turn with a checkpoint has a neighbour without; the median of their ratios counts. A checkpoint
// falls at the beginning of a turn, so that what is written in the background is written within it.
func checkpointing(l *lab, dir string) (benchmark, error) {
	if !backend.OnDevice(l.backend) {
		return benchmark{}, errNotOnDevice
	}
	with, without := newRunner(), newRunner()
	with.other, without.other = without, with
	ended := make(chan error)
	go func() { ended <- with.train(l, dir, 1, checkpointSteps) }()
	go func() { ended <- without.train(l, dir, 2, 0) }()
	with.turn <- struct{}{}
	if err := errors.Join(<-ended, <-ended); err != nil {
		return benchmark{}, err
	}
	n := min(len(with.steps), len(without.steps))
	ratios := make([]float64, 0, n)
	for k := 1; k < n; k++ { // the first turn compiles, and has no checkpoint
		ratios = append(ratios, with.steps[k].Seconds()/without.steps[k].Seconds())
	}
	ratio := median(ratios)
	plain := make([]float64, 0, n)
	for _, d := range without.steps[1:] {
		plain = append(plain, d.Seconds())
	}
	step := median(plain)
	return benchmark{
		Name: "checkpoint_500", Value: (ratio - 1) * step * checkpointSteps * 1e3, Unit: "ms/checkpoint", Ratio: ratio,
		Of: "the same training without", detail: fmt.Sprintf("%.3g ms/step, median of %d turns, half of them %.3f to %.3f", step*1e3, len(ratios), ratios[len(ratios)/4], ratios[len(ratios)*3/4]),
	}, nil
}

// runner is one of two runs that take turns.
type runner struct {
	turn  chan struct{}
	other *runner
	steps []time.Duration // time of a step in each turn
}

// newRunner has room for all turns, so that a run can pass them on to one that has ended.
func newRunner() *runner { return &runner{turn: make(chan struct{}, 2*checkpointTurns)} }

func (r *runner) train(l *lab, dir string, seed int64, every int) error {
	cfg := train.Default("bench", pcProcess, nets.MLP{Width: 128, Depth: 3})
	cfg.Batch, cfg.Steps, cfg.Seed = 512, checkpointSteps*checkpointTurns, seed
	<-r.turn
	defer close(r.other.turn) // the other needs no turns any more
	from, began := 0, time.Now()
	progress := func(done, _ int, _ string) {
		if done-from < checkpointSteps {
			return
		}
		r.steps = append(r.steps, time.Since(began)/time.Duration(done-from))
		r.other.turn <- struct{}{}
		<-r.turn
		from, began = done, time.Now()
	}
	_, err := train.Fit(context.Background(), cfg, train.Rows(normals(1000)), train.Settings{Backend: l.backend, Dir: dir, Progress: progress, CheckpointEvery: every})
	return err
}
