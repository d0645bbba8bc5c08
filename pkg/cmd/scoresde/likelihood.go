package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/likelihood"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/score"
)

// exactLikelihood compares the likelihood of 10 000 points, with the exact trace in the plane and tolerance 1e-5, with the
// matrix products of three passes through the network per evaluation: drift, and a gradient for each coordinate. Tiles take
// steps of their own, so that evaluations are counted by the mean over them.
func exactLikelihood(l *lab) (benchmark, error) {
	n, net := l.steps(10_000), nets.MLP{Width: 256, Depth: 3}
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return benchmark{}, err
	}
	m := score.Model{SDE: pcProcess, Parametrisation: score.EDM, Net: net, Std: 0.7, Store: store}
	if err := m.Init(dim); err != nil {
		return benchmark{}, err
	}
	lab, err := likelihood.New(l.backend, m.Live(), pcProcess, dim)
	if err != nil {
		return benchmark{}, err
	}
	x := dist.FourGaussians().Sample(rand.New(rand.NewPCG(1, 0)), n)
	var best time.Duration
	var ratios []float64
	nfe := 0.0
	for k := range l.repeats + 1 { // the first compiles
		r, err := lab.LogProb(context.Background(), x, likelihood.Settings{Tile: 1000})
		if err != nil {
			return benchmark{}, err
		}
		rate, err := l.gemm.rate()
		if err != nil {
			return benchmark{}, err
		}
		if k == 0 {
			continue
		}
		took, products := r.ODE.Elapsed, r.ODE.NFE*3*float64(n)*forwardFLOP(net)/1e9/rate
		ratios, nfe = append(ratios, took.Seconds()/products), r.ODE.NFE
		if best == 0 || took < best {
			best = took
		}
	}
	return benchmark{
		Name: "likelihood_10000", Value: best.Seconds() / nfe * 1e3, Unit: "ms/evaluation", Ratio: median(ratios),
		Of: "matrix products of three passes", detail: fmt.Sprintf("%.4g evaluations", nfe),
	}, nil
}
