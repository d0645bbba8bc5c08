package main

import (
	"context"
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/train"
)

// training measures optimiser steps against the matrix products.
func training(net nets.MLP, batch, steps int) func(*lab) (benchmark, error) {
	return inFolder(func(l *lab, dir string) (benchmark, error) {
		cfg := train.Default("bench", pcProcess, net)
		cfg.Batch, cfg.Steps = batch, l.steps(steps)
		m := meter{gemm: l.gemm}
		for k := range max(1, l.repeats/2) {
			cfg.Seed = int64(k) // another run, not the finished one
			m.skip = 1
			m.start()
			if _, err := train.Fit(context.Background(), cfg, train.Rows(normals(1000)), train.Settings{Backend: l.backend, Dir: dir, Progress: m.progress}); err != nil {
				return benchmark{}, err
			}
		}
		return m.against(fmt.Sprintf("train_%dx%d_%d", net.Depth, net.Width, batch), float64(batch)*trainFLOP(net), batch)
	})
}

// trainFLOP counts the floating point operations of the matrix products of one example: the forward pass, the gradient
// of the weights, which costs as much, and that of all inputs but the network's own.
func trainFLOP(net nets.MLP) float64 {
	w := net.Width
	first := float64(2 * (dim + 1) * w) // the layers of x and of the noise level
	return 3*(forwardFLOP(net)-float64(2*dim*w)) + 2*first
}

func normals(n int) *mat.Dense {
	rng := rand.New(rand.NewPCG(1, 2))
	x := mat.NewDense(n, dim, nil)
	for i := range n {
		for k := range dim {
			x.Set(i, k, rng.NormFloat64())
		}
	}
	return x
}
