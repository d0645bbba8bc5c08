package train

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/floats"

	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
)

// Noise is how much the gradient of the training loss in all weights fluctuates from batch to batch. Near a minimum the
// mean gradient is lost in the noise, and Ratio with it.
type Noise struct {
	Mean2 score.Mean // squared norm of the mean gradient, unbiased, and so below 0 at times where the gradient is near 0
	Trace score.Mean // of the covariance of the gradient of one batch
	Ratio score.Mean // Trace/Mean2; times the batch it is the simple noise scale of McCandlish et al. 2018, arXiv 1812.06162
}

// NoiseSettings say how a gradient's noise is measured.
type NoiseSettings struct {
	Batch   int // examples per gradient, >= 1
	Batches int // independent gradients, a multiple of 16, >= 32
	Seed    int64
}

// noiseBlocks is the number of blocks of batches from which standard errors are found, by the jackknife.
const noiseBlocks = 16

func (set NoiseSettings) validate() error {
	switch {
	case set.Batch < 1:
		return fmt.Errorf("train: NoiseSettings.Batch = %d, want >= 1", set.Batch)
	case set.Batches < 2*noiseBlocks || set.Batches%noiseBlocks != 0:
		return fmt.Errorf("train: NoiseSettings.Batches = %d, want a multiple of %d, at least %d", set.Batches, noiseBlocks, 2*noiseBlocks)
	}
	return nil
}

// GradientNoise measures the gradients of o for the score m with its weights under training, over batches of data drawn as in
// training, without their conditions and without clipping. A model without weights gets its initial ones (score.Model.Init). The
// weights stay as they are, so that objectives, which differ in their laws of times say, can be compared at one point.
func GradientNoise(b compute.Backend, m *score.Model, o objective.ScoreMatching, data Data, set NoiseSettings) (Noise, error) {
	if b == nil || m == nil || o == nil {
		return Noise{}, errors.New("train: GradientNoise wants a backend, a model and an objective, got nil")
	}
	if err := set.validate(); err != nil {
		return Noise{}, err
	}
	if err := o.Validate(); err != nil {
		return Noise{}, fmt.Errorf("train: %w", err)
	}
	if _, err := data.check(); err != nil {
		return Noise{}, err
	}
	if err := m.Init(data.X.Shape()...); err != nil {
		return Noise{}, fmt.Errorf("train: GradientNoise: %w", err)
	}
	blocks, err := gradientBlocks(b, m, o, data, set)
	if err != nil {
		return Noise{}, fmt.Errorf("train: GradientNoise: %w", err)
	}
	return jackknife(blocks), nil
}

// gradientSums are sums over the gradients of some batches.
type gradientSums struct {
	n      float64
	sum    []float64 // of the gradients, over all weights
	square float64   // sum of their squared norms
}

// gradientBlocks runs the batches, block by block, in one executable.
func gradientBlocks(b compute.Backend, m *score.Model, o objective.ScoreMatching, data Data, set NoiseSettings) ([]gradientSums, error) {
	size := 0
	for v := range m.Store.Scope(m.Scope()).IterVariables() {
		if v.Trainable {
			size += v.Shape().Size()
		}
	}
	tables, err := data.tables(b)
	if err != nil {
		return nil, err
	}
	inputs, from := append([]*tensors.Tensor{noise.Key(set.Seed, 0)}, tables...), data.drawer()
	defer release(inputs)
	l := loop.New(b, m.Store, 2, func(_ *model.Scope, i *Node, state, inputs []*Node) []*Node {
		rng := noise.At(inputs[0], i)
		batch := from.batch(rng, set.Batch, inputs[1:])
		loss := o.Loss(m.Live(), rng, batch.X, batch.Mask)
		parts, _ := gradients(loss, trainable(m.Store.Scope(m.Scope()), i.Graph()))
		for k := range parts {
			parts[k] = Reshape(parts[k], parts[k].Shape().Size())
		}
		g := Concatenate(parts, 0)
		return []*Node{Add(state[0], g), Add(state[1], ReduceAllSum(Square(g)))}
	})
	each := set.Batches / noiseBlocks
	var blocks []gradientSums
	for k := range noiseBlocks {
		start := []*tensors.Tensor{host.Column(make([]float64, size), dtypes.Float32), tensors.FromScalar(float32(0))}
		out, err := l.Run(k*each, (k+1)*each, start, inputs)
		if err != nil {
			return nil, err
		}
		blocks = append(blocks, gradientSums{float64(each), host.Values(out[0]), float64(tensors.ToScalar[float32](out[1]))})
		if !(blocks[len(blocks)-1].square <= math.MaxFloat32) {
			return nil, fmt.Errorf("the gradients are not finite")
		}
	}
	return blocks, nil
}

// measures are Mean2, Trace and Ratio from the sums.
func (s gradientSums) measures() [3]float64 {
	mean2 := math.Pow(floats.Norm(s.sum, 2)/s.n, 2)
	trace := (s.square - s.n*mean2) / (s.n - 1)
	mean2 -= trace / s.n
	return [3]float64{mean2, trace, trace / mean2}
}

// jackknife finds the values from all blocks and their standard errors from leaving one out at a time.
func jackknife(blocks []gradientSums) Noise {
	all := gradientSums{sum: make([]float64, len(blocks[0].sum))}
	for _, b := range blocks {
		all.n, all.square = all.n+b.n, all.square+b.square
		floats.Add(all.sum, b.sum)
	}
	values, count := all.measures(), float64(len(blocks))
	var mean, square [3]float64
	for _, b := range blocks {
		rest := gradientSums{all.n - b.n, floats.SubTo(make([]float64, len(all.sum)), all.sum, b.sum), all.square - b.square}
		for k, v := range rest.measures() {
			mean[k], square[k] = mean[k]+v/count, square[k]+v*v/count
		}
	}
	of := func(k int) score.Mean {
		return score.Mean{Value: values[k], Stderr: math.Sqrt((count - 1) * math.Max(square[k]-mean[k]*mean[k], 0))}
	}
	return Noise{of(0), of(1), of(2)}
}
