package main

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/control"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
)

// guided compares a step of the predictor-corrector sampler guided by a 4x64 classifier with one without guidance.
func guided(l *lab) (benchmark, error) {
	const n, classes = 10_000, 4
	plain, err := newPC(l.backend, n)
	if err != nil {
		return benchmark{}, err
	}
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return benchmark{}, err
	}
	classifier := score.Classifier{
		SDE: pcProcess, Net: nets.MLP{Width: 64, Depth: 4, Output: classes}, Classes: classes, Std: 2, Store: store,
	}
	labels := make([]int, n)
	for i := range labels {
		labels[i] = i % classes
	}
	y, err := control.NewLabels(labels, classes)
	if err != nil {
		return benchmark{}, err
	}
	scale, err := control.NewScale(1)
	if err != nil {
		return benchmark{}, err
	}
	p := plain.Problem()
	p.Score = control.Guide(p.Score, control.Class(classifier.Live(), y), scale)
	steered, err := sampler.New(l.backend, p)
	if err != nil {
		return benchmark{}, err
	}
	took, err := alternate(4*l.repeats, l.steps(50), plain, steered)
	if err != nil {
		return benchmark{}, err
	}
	return benchmark{
		Name: "guided_pc_10000", Value: took[1].Seconds() * 1e3, Unit: "ms/step", Ratio: took[1].Seconds() / took[0].Seconds(),
		Of: "the step without guidance", detail: fmt.Sprintf("without %s", milliseconds(took[0])),
	}, nil
}

// alternate runs samplers in turn, in short pieces so that each finds the machine quiet at some time, and returns the
// shortest time per step of each.
func alternate(rounds, steps int, samplers ...*sampler.Sampler) ([]time.Duration, error) {
	best := make([]time.Duration, len(samplers))
	for range rounds + 1 { // the first compiles and is far from best
		for k, s := range samplers {
			r, err := s.Run(context.Background(), pcMethod, sampler.Settings{Steps: steps, Seed: 1})
			if err != nil {
				return nil, err
			}
			if took := r.Elapsed / time.Duration(steps); best[k] == 0 || took < best[k] {
				best[k] = took
			}
		}
	}
	return best, nil
}
