// Package fokkerplanck solves the Fokker-Planck equation on the line,
//
//	d/dt p = -d/dx (f(x, t) p) + g(t)^2/2 d^2/dx^2 p,
//
// by finite volumes on the host in float64. It is an oracle that shares nothing with kernels, scores and samplers: it
// needs no closed form, so that it serves processes with any drift. Its cells hold probabilities, which sum to 1 whatever
// the step, and with BackwardEuler stay positive too.
package fokkerplanck

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Process returns drift f(x, t) at the points x and diffusion g(t) of dx = f dt + g dw at a time t. The drift has the
// length of x; it may be a buffer that the next call overwrites.
type Process func(t float64, x []float64) (drift []float64, diffusion float64, err error)

// Of is the process with the drift f(x, t) and the diffusion g(t) >= 0.
func Of(f func(x, t float64) float64, g func(t float64) float64) Process {
	var drift []float64
	return func(t float64, x []float64) ([]float64, float64, error) {
		drift = drift[:0]
		for _, v := range x {
			drift = append(drift, f(v, t))
		}
		return drift, g(t), nil
	}
}

// Affine is the process s: its drift is f(t) x.
func Affine(s sde.SDE) (Process, error) {
	e, err := sde.NewEvaluator(s)
	if err != nil {
		return nil, fmt.Errorf("fokkerplanck: %w", err)
	}
	var drift []float64
	return func(t float64, x []float64) ([]float64, float64, error) {
		v, err := e.Table([]float64{t})
		if err != nil {
			return nil, 0, err
		}
		drift = drift[:0]
		for _, at := range x {
			drift = append(drift, v.Drift[0]*at)
		}
		return drift, v.Diffusion[0], nil
	}, nil
}

// Nonlinear is the process p, whose graph functions it runs in float64 on the Go backend for data in one dimension.
func Nonlinear(p sde.Nonlinear) (Process, error) {
	if err := p.Validate(); err != nil {
		return nil, fmt.Errorf("fokkerplanck: %w", err)
	}
	exec, err := graph.NewExec(backend.Go(), func(x, t *graph.Node) []*graph.Node {
		defer backend.PanicWithError()
		return []*graph.Node{p.Slope(x, t), p.G(t)}
	})
	if err != nil {
		return nil, fmt.Errorf("fokkerplanck: %s: %w", p, err)
	}
	return func(t float64, x []float64) ([]float64, float64, error) {
		out, err := exec.Call(tensors.FromFlatDataAndDimensions(x, len(x), 1), []float64{t})
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", p, err)
		}
		drift, err := tensors.CopyFlatData[float64](out[0])
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", p, err)
		}
		diffusion, err := tensors.CopyFlatData[float64](out[1])
		if err != nil {
			return nil, 0, fmt.Errorf("%s: %w", p, err)
		}
		if len(diffusion) != 1 {
			return nil, 0, fmt.Errorf("%s: G returned %d values for one time", p, len(diffusion))
		}
		return drift, diffusion[0], nil
	}, nil
}

// at evaluates the process and checks what it returns.
func (p Process) at(t float64, x []float64) (drift []float64, diffusion float64, err error) {
	drift, diffusion, err = p(t, x)
	if err != nil {
		return nil, 0, err
	}
	if len(drift) != len(x) {
		return nil, 0, fmt.Errorf("the drift has %d values at t = %g, want one for each of %d points", len(drift), t, len(x))
	}
	for i, v := range drift {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, 0, fmt.Errorf("the drift at x = %g, t = %g is %g", x[i], t, v)
		}
	}
	if !(diffusion >= 0) || math.IsInf(diffusion, 1) {
		return nil, 0, fmt.Errorf("the diffusion at t = %g is %g, want a finite number >= 0", t, diffusion)
	}
	return drift, diffusion, nil
}

var errNoProcess = errors.New("fokkerplanck: want a process, got nil")
