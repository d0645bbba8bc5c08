package study

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Coupled solves the reverse-time SDE by Euler-Maruyama along the same Brownian paths with several numbers of equal
// steps, from the same start [N, d] at T to Eps, and returns the end states in the order of steps. The differences of
// the end states are path errors, which measure the strong order. The last of steps is the finest and every other must
// divide it. The host drives the steps: this is an instrument, not a sampler.
func Coupled(b compute.Backend, p sampler.Problem, start *mat.Dense, steps []int, seed uint64) ([]*mat.Dense, error) {
	n, d := start.Dims()
	p.N, p.Shape = n, []int{d}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	if p.Score == nil || len(steps) == 0 {
		return nil, fmt.Errorf("study: Coupled wants a score and at least one number of steps")
	}
	fine := steps[len(steps)-1]
	if slices.ContainsFunc(steps, func(n int) bool { return n < 1 || fine%n != 0 }) {
		return nil, fmt.Errorf("study: Coupled got steps %v, want divisors of the last", steps)
	}
	exec, err := drivenStep(b, p)
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	rng := rand.New(rand.NewPCG(seed, 2))
	span := p.SDE.Span()
	dt := (span.T - span.Eps) / float64(fine)
	states, noise := make([]*tensors.Tensor, len(steps)), make([]*mat.Dense, len(steps))
	for k := range steps {
		states[k], noise[k] = sampler.Tensor(start, p.DType), mat.NewDense(n, d, nil)
	}
	increment := mat.NewDense(n, d, nil)
	for i := 1; i <= fine; i++ {
		for j := range increment.RawMatrix().Data {
			increment.RawMatrix().Data[j] = math.Sqrt(dt) * rng.NormFloat64()
		}
		for k, n := range steps {
			noise[k].Add(noise[k], increment)
			stride := fine / n
			if i%stride != 0 {
				continue
			}
			from, to := span.T-dt*float64(i-stride), span.T-dt*float64(i)
			if states[k], err = exec.Call1(states[k], sampler.Tensor(noise[k], p.DType), timeOf(p, from), timeOf(p, to)); err != nil {
				return nil, fmt.Errorf("study: coupled step at t = %g: %w", from, err)
			}
			noise[k].Zero()
		}
	}
	ends := make([]*mat.Dense, len(steps))
	for k := range ends {
		ends[k] = sampler.Matrix(states[k])
	}
	return ends, nil
}

// drivenStep is a step of sampler.EulerMaruyama whose Brownian increment w [N, Dim] comes from outside.
func drivenStep(b compute.Backend, p sampler.Problem) (*model.Exec, error) {
	return model.NewExec(b, model.NewStore(), func(_ *model.Scope, x, w, t, tNext *Node) *Node {
		unused := noise.Once(x.Graph(), 0) // Predict's own noise is left out
		_, mean := sampler.EulerMaruyama{}.Predict(&p, unused, x, t, tNext)
		return Add(mean, sde.Times(p.SDE.Diffusion(t), w))
	})
}

// timeOf is the time t, [1], in the problem's float type.
func timeOf(p sampler.Problem, t float64) *tensors.Tensor { return host.Column([]float64{t}, p.DType) }
