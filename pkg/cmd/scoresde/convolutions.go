package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"time"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	mltrain "github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/train"
)

const (
	pictures    = 64 // in a batch
	pictureSide = 16
)

// convModel is a network of pictures that learned nothing.
func convModel(net convNet) (*score.Model, error) {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return nil, err
	}
	return &score.Model{SDE: pcProcess, Parametrisation: score.EDM, Net: net, Std: 1, Store: store}, nil
}

// convSampling compares evaluations of the convolutional network in one loop on the device with the same called one by one.
func convSampling(l *lab) (benchmark, error) {
	const steps = 35
	if !backend.OnDevice(l.backend) {
		return benchmark{}, errNotOnDevice
	}
	m, err := convModel(convNet{side: pictureSide})
	if err != nil {
		return benchmark{}, err
	}
	s, err := sampler.New(l.backend, sampler.Problem{SDE: pcProcess, Score: m.Live(), N: pictures, Shape: []int{pictureSide * pictureSide}})
	if err != nil {
		return benchmark{}, err
	}
	var best [2]time.Duration // device, host
	for range l.repeats + 1 { // the first compiles and is far from best
		for k := range best {
			r, err := s.Run(context.Background(), sampler.PC{Predictor: sampler.EulerMaruyama{}}, sampler.Settings{Steps: steps, Seed: 1, HostLoop: k == 1})
			if err != nil {
				return benchmark{}, err
			}
			if best[k] == 0 || r.Elapsed < best[k] {
				best[k] = r.Elapsed
			}
		}
	}
	return benchmark{
		Name: "conv_sample", Value: best[0].Seconds(), Unit: "s", Ratio: best[1].Seconds() / best[0].Seconds(),
		Of: "one call per evaluation", detail: fmt.Sprintf("%d evaluations on %d pictures of %dx%d", steps, pictures, pictureSide, pictureSide),
	}, nil
}

// convTraining compares a training step of the convolutional network by train.Fit with a step written by hand that is
// called once for each, with GoMLX's own convolutions and optimiser.
func convTraining(l *lab, dir string) (benchmark, error) {
	if !backend.OnDevice(l.backend) {
		return benchmark{}, errNotOnDevice
	}
	byHand, err := newHandStep(l, convNet{side: pictureSide, library: true})
	if err != nil {
		return benchmark{}, err
	}
	if _, err := byHand.time(); err != nil { // compiles
		return benchmark{}, err
	}
	cfg := train.Default("bench", pcProcess, convNet{side: pictureSide})
	cfg.Batch, cfg.Steps = pictures, 2+8*l.repeats
	var ratios, steps []float64
	done, began := 0, time.Now()
	progress := func(now, _ int, _ string) {
		took := time.Since(began).Seconds() / float64(now-done)
		if done >= 2 { // the first steps hold the compilation
			other, failed := byHand.time()
			err = failed
			steps, ratios = append(steps, took), append(ratios, took/other.Seconds())
		}
		done, began = now, time.Now()
	}
	if _, failed := train.Fit(context.Background(), cfg, train.Rows(randomPictures(500)), train.Settings{Backend: l.backend, Dir: dir, Progress: progress}); failed != nil || err != nil {
		return benchmark{}, fmt.Errorf("training: %v, by hand: %v", failed, err)
	}
	return benchmark{
		Name: "conv_train", Value: median(steps) * 1e3, Unit: "ms/step", Ratio: median(ratios),
		Of: "a step written by hand, one call each", detail: fmt.Sprintf("batch %d of %dx%d", pictures, pictureSide, pictureSide),
	}, nil
}

// handStep is one training step per call.
type handStep struct {
	exec   *model.Exec
	key, x *tensors.Tensor
	steps  int32
}

func newHandStep(l *lab, net convNet) (*handStep, error) {
	m, err := convModel(net)
	if err != nil {
		return nil, err
	}
	loss := objective.DSM{SDE: pcProcess}
	exec, err := model.NewExec(l.backend, m.Store, func(_ *model.Scope, key, i, x *Node) *Node {
		value := loss.Loss(m.Live(), noise.At(key, i), x, nil)
		scope := m.Store.Scope(m.Scope())
		optimizer.Adam().LearningRate(1e-3).Done().(mltrain.OptimizeWithGradients).
			UpdateGraphWithGradients(scope, scope.BuildTrainableVariablesGradientsGraph(value), value.DType())
		return value
	})
	if err != nil {
		return nil, err
	}
	if err := m.Init(pictureSide * pictureSide); err != nil {
		return nil, err
	}
	return &handStep{exec: exec, key: noise.Key(1, 0), x: sampler.Tensor(randomPictures(pictures), dtypes.Float32)}, nil
}

// time is that of the faster of two steps.
func (h *handStep) time() (best time.Duration, err error) {
	for range 2 {
		start := time.Now()
		if _, err := h.exec.Call(h.key, h.steps, h.x); err != nil {
			return 0, err
		}
		h.steps++
		if took := time.Since(start); best == 0 || took < best {
			best = took
		}
	}
	return best, nil
}

// randomPictures are n pictures of noise, as rows.
func randomPictures(n int) *mat.Dense {
	rng, x := rand.New(rand.NewPCG(1, 3)), mat.NewDense(n, pictureSide*pictureSide, nil)
	for i := range n {
		for k := range pictureSide * pictureSide {
			x.Set(i, k, rng.NormFloat64())
		}
	}
	return x
}
