package main

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// The predictor-corrector sampler of the notebooks, with a network that learned nothing: its speed does not depend on
// its weights.
var (
	pcProcess = sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	pcNet     = nets.MLP{Width: 128, Depth: 3}
	pcMethod  = sampler.PC{Predictor: sampler.ReverseDiffusion{}, Corrector: sampler.Langevin{SNR: 0.16, Norm: sampler.BatchMean}}
)

const dim = 2 // coordinates of a sample

// newPC prepares to draw n samples.
func newPC(b compute.Backend, n int) (*sampler.Sampler, error) {
	store := model.NewStore()
	if err := store.SetRNGStateFromSeed(1); err != nil {
		return nil, err
	}
	m := score.Model{SDE: pcProcess, Parametrisation: score.EDM, Net: pcNet, Std: 2, Store: store}
	return sampler.New(b, sampler.Problem{SDE: pcProcess, Score: m.Live(), N: n, Shape: []int{dim}})
}

// forwardFLOP counts the floating point operations of an MLP's matrix products for one sample.
func forwardFLOP(net nets.MLP) float64 {
	w := net.Width
	return float64(2 * (dim*w + (net.Depth-1)*w*w + w*dim))
}

// pc measures the sampler at n samples against the matrix products. The more steps, the less the first, short ones
// between two looks of the host count.
func pc(n, steps int) func(*lab) (benchmark, error) {
	return func(l *lab) (benchmark, error) {
		s, err := newPC(l.backend, n)
		if err != nil {
			return benchmark{}, err
		}
		set := sampler.Settings{Steps: l.steps(steps), Seed: 1}
		if _, err := s.Run(context.Background(), pcMethod, set); err != nil { // compiles
			return benchmark{}, err
		}
		m := meter{gemm: l.gemm}
		set.Progress = m.progress
		for range l.repeats {
			m.start()
			if _, err := s.Run(context.Background(), pcMethod, set); err != nil {
				return benchmark{}, err
			}
		}
		flop := float64(n) * float64(pcMethod.NFE()) * forwardFLOP(pcNet)
		return m.against(fmt.Sprintf("pc_%d", n), flop, n)
	}
}

// deviceVersusHost compares the loop inside one executable with one call per step, for a single sample.
func deviceVersusHost(l *lab) (benchmark, error) {
	s, err := newPC(l.backend, 1)
	if err != nil {
		return benchmark{}, err
	}
	steps := l.steps(1000)
	var best [2]time.Duration // device, host
	for range l.repeats + 1 { // the first compiles and is far from best
		for k := range best {
			r, err := s.Run(context.Background(), pcMethod, sampler.Settings{Steps: steps, Seed: 1, HostLoop: k == 1})
			if err != nil {
				return benchmark{}, err
			}
			if best[k] == 0 || r.Elapsed < best[k] {
				best[k] = r.Elapsed
			}
		}
	}
	perStep := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(steps) }
	return benchmark{
		Name: "device_vs_host_1", Value: perStep(best[0]), Unit: "us/step", Ratio: float64(best[1]) / float64(best[0]),
		Of: "host loop", detail: fmt.Sprintf("host loop %.1f us/step", perStep(best[1])),
	}, nil
}

// compileN compares the time to compile for 1000 steps with that for 10. The number of steps enters as an input, so
// that both compile the same executable.
func compileN(l *lab) (benchmark, error) {
	first := func(steps int) (time.Duration, error) {
		s, err := newPC(l.backend, 1)
		if err != nil {
			return 0, err
		}
		took := [2]time.Duration{} // with and without compilation
		for k := range took {
			start := time.Now()
			if _, err := s.Run(context.Background(), pcMethod, sampler.Settings{Steps: steps, Seed: 1}); err != nil {
				return 0, err
			}
			took[k] = time.Since(start)
		}
		return took[0] - took[1], nil
	}
	if !backend.OnDevice(l.backend) {
		return benchmark{}, errNotOnDevice
	}
	var best [2]time.Duration
	for range l.repeats {
		for k, steps := range []int{10, 1000} {
			d, err := first(steps)
			if err != nil {
				return benchmark{}, err
			}
			if best[k] == 0 || d < best[k] {
				best[k] = d
			}
		}
	}
	return benchmark{
		Name: "compile_n", Value: best[1].Seconds(), Unit: "s", Ratio: float64(best[1]) / float64(best[0]),
		Of: "compile time at N=10", detail: "N=1000",
	}, nil
}
