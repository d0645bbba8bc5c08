package main

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// heunVersusPC compares the time of 2000 evaluations by the predictor-corrector sampler with that of 34 by Heun's method
// on the schedule of EDM, for the same network and samples. What both reach is the subject of a notebook.
func heunVersusPC(l *lab) (benchmark, error) {
	const n = 2000
	edm := sde.EDM{Times: sde.Span{Eps: 0.01, T: 4}}
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return benchmark{}, err
	}
	m := score.Model{SDE: edm, Parametrisation: score.EDM, Net: pcNet, Std: 0.7, Store: store}
	s, err := sampler.New(l.backend, sampler.Problem{SDE: edm, Score: m.Live(), N: n, Shape: []int{dim}})
	if err != nil {
		return benchmark{}, err
	}
	runs := []struct {
		method sampler.Method
		steps  int
		best   time.Duration
	}{{method: pcMethod, steps: l.steps(1000)}, {method: sampler.Heun{}, steps: l.steps(17)}}
	for range 3 { // the first compiles and is far from best
		for k := range runs {
			r, err := s.Run(context.Background(), runs[k].method, sampler.Settings{Steps: runs[k].steps, Schedule: sampler.PowerSchedule(7), Seed: 1})
			if err != nil {
				return benchmark{}, err
			}
			if runs[k].best == 0 || r.Elapsed < runs[k].best {
				runs[k].best = r.Elapsed
			}
		}
	}
	pc, heun := runs[0].best, runs[1].best
	return benchmark{
		Name: "heun_vs_pc", Value: heun.Seconds() * 1e3, Unit: "ms", Ratio: pc.Seconds() / heun.Seconds(),
		Of: "2000 evaluations by PC over 34 by Heun", detail: fmt.Sprintf("PC %.3g s, %d samples", pc.Seconds(), n),
	}, nil
}
