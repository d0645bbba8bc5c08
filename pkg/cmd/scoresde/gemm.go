package main

import (
	"fmt"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/loop"
)

// Sizes of the reference product: a batch of 10 000 through one layer of the usual network.
const (
	gemmRows  = 10_000
	gemmWidth = 128
)

// gemm is the backend's own speed limit: products [10000,128] x [128,128] in float32, many of them inside one executable
// where the backend allows, so that neither calls nor copies count.
type gemm struct {
	run      func() error
	products float64
}

func newGEMM(b compute.Backend) (*gemm, error) {
	unroll, steps := 8, 4
	if !backend.OnDevice(b) {
		unroll, steps = 1, 2
	}
	l := loop.New(b, nil, 1, func(_ *model.Scope, _ *Node, state, inputs []*Node) []*Node {
		x := state[0]
		for range unroll {
			x = Dot(x, inputs[0]).MatMul()
		}
		return []*Node{x}
	})
	w := make([][]float32, gemmWidth)
	for i := range w {
		w[i] = make([]float32, gemmWidth)
		w[i][(i+1)%gemmWidth] = 1 // a rotation of the columns: numbers neither grow nor fade
	}
	x := tensors.FromShape(shapes.Make(dtypes.Float32, gemmRows, gemmWidth))
	tensors.MustMutableFlatData(x, func(flat []float32) {
		for i := range flat {
			flat[i] = float32(i%7) - 3
		}
	})
	inputs := []*tensors.Tensor{tensors.FromValue(w)}
	g := &gemm{products: float64(unroll * steps), run: func() error {
		_, err := l.Run(0, steps, []*tensors.Tensor{x}, inputs)
		return err
	}}
	if err := g.run(); err != nil { // compiles
		return nil, fmt.Errorf("matrix products: %w", err)
	}
	return g, nil
}

// rate runs the products once and returns GFLOP/s, at 2 M N K floating point operations per product.
func (g *gemm) rate() (float64, error) {
	start := time.Now()
	if err := g.run(); err != nil {
		return 0, fmt.Errorf("matrix products: %w", err)
	}
	return g.products * 2 * gemmRows * gemmWidth * gemmWidth / 1e9 / time.Since(start).Seconds(), nil
}
