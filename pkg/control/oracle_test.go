package control

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// The conditional laws of Gaussians and mixtures are exact (dist.Mixture.Observe), and so is log p_t(y|x): by Bayes it is
// log p_t(x|y) - log p_t(x) + log p(y), three densities that share no code with this package.

// ve is the process of the report's four Gaussians.
var ve = sde.VE{SigmaMin: 0.01, SigmaMax: 4}

// predict is the reverse diffusion predictor alone.
var predict = sampler.PC{Predictor: sampler.ReverseDiffusion{}}

// problem is a law with its exact score.
func problem(law dist.Law, s sde.SDE, n int) sampler.Problem {
	return sampler.Problem{SDE: s, Score: score.Exact(law, s).Score(), N: n, Shape: []int{law.Dim()}}
}

// field is a function of x [B, d] and t [1].
type field = func(x, t *Node) *Node

// eval returns a function that evaluates fields in float64; inputs may be set between two calls.
func eval(t *testing.T, b compute.Backend, fields ...field) func(x mat.Matrix, at float64) []*mat.Dense {
	t.Helper()
	exec, err := model.NewExec(b, model.NewStore(), func(_ *model.Scope, x, at *Node) []*Node {
		out := make([]*Node, len(fields))
		for k, f := range fields {
			if out[k] = f(x, at); out[k].Rank() == 1 {
				out[k] = InsertAxes(out[k], -1)
			}
		}
		return out
	})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(exec.Finalize)
	return func(x mat.Matrix, at float64) []*mat.Dense {
		t.Helper()
		values, err := exec.Call(host.Tensor(x, dtypes.Float64), []float64{at})
		if err != nil {
			t.Fatal(err)
		}
		out := make([]*mat.Dense, len(values))
		for k, v := range values {
			out[k] = host.Matrix(v)
		}
		return out
	}
}

// run fails the test on any error.
func run(t *testing.T, s *sampler.Sampler, m sampler.Method, set sampler.Settings) *sampler.Result {
	t.Helper()
	r, err := s.Run(context.Background(), m, set)
	if err != nil {
		t.Fatalf("%s: %v", m, err)
	}
	return r
}

// normals is a matrix of independent standard normal numbers.
func normals(rng *rand.Rand, r, c int) *mat.Dense {
	out := mat.NewDense(r, c, nil)
	out.Apply(func(_, _ int, _ float64) float64 { return rng.NormFloat64() }, out)
	return out
}

// row is a matrix of one row.
func row(v ...float64) *mat.Dense { return mat.NewDense(1, len(v), v) }

// average returns the mean and its standard error.
func average(v []float64) (mean, se float64) {
	n := float64(len(v))
	for _, x := range v {
		mean += x / n
	}
	for _, x := range v {
		se += (x - mean) * (x - mean)
	}
	return mean, math.Sqrt(se / (n - 1) / n)
}

// closeTo compares two numbers.
func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: got %.12g, want %.12g within %.2g", what, got, want, tol)
	}
}

// wantClose compares two matrices, element by element, within tol (1 + |want|).
func wantClose(t *testing.T, what string, got, want mat.Matrix, tol float64) {
	t.Helper()
	r, c := want.Dims()
	if gr, gc := got.Dims(); gr != r || gc != c {
		t.Fatalf("%s: got [%d, %d], want [%d, %d]", what, gr, gc, r, c)
	}
	worst, at := 0.0, [2]int{}
	for i := range r {
		for j := range c {
			gap := math.Abs(got.At(i, j)-want.At(i, j)) / (1 + math.Abs(want.At(i, j)))
			if !(gap <= worst) {
				worst, at = gap, [2]int{i, j}
			}
		}
	}
	if !(worst <= tol) {
		t.Errorf("%s: element %v is %.12g, want %.12g within %.2g", what, at, got.At(at[0], at[1]), want.At(at[0], at[1]), tol)
	}
}

// sampleMoments compares mean and covariance of samples to those of a law within 5 standard errors and an allowance
// relative to the law's standard deviations.
func sampleMoments(t *testing.T, what string, x *mat.Dense, want dist.Law, allow float64) {
	t.Helper()
	n, d := x.Dims()
	mean, cov := want.Mean(), want.Cov()
	values := make([]float64, n)
	for j := range d {
		for i := range n {
			values[i] = x.At(i, j)
		}
		m, se := average(values)
		closeTo(t, what+": mean", m, mean[j], 5*se+allow*math.Sqrt(cov.At(j, j)))
		for k := range j + 1 {
			for i := range n {
				values[i] = (x.At(i, j) - mean[j]) * (x.At(i, k) - mean[k])
			}
			c, se := average(values)
			closeTo(t, what+": covariance", c, cov.At(j, k), 5*se+allow*math.Sqrt(cov.At(j, j)*cov.At(k, k)))
		}
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// source is the host's randomness.
func source(seed uint64) *rand.Rand { return rand.New(rand.NewPCG(seed, 0)) }

// xla returns the XLA backend, or skips where no plugin is installed.
func xla(t *testing.T) compute.Backend {
	t.Helper()
	b, err := backend.Open()
	if err != nil {
		t.Fatal(err)
	}
	if !backend.OnDevice(b) {
		t.Skip("no XLA plugin is installed")
	}
	return b
}

// flat copies a tensor's numbers to float64.
func flat(x *tensors.Tensor) []float64 { return host.Values(x) }

// refused wants an error that says something.
func refused(t *testing.T, what string, err error, says string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), says) {
		t.Errorf("%s: got error %v, want one that says %q", what, err, says)
	}
}

// rand0 draws nothing but 0.
func rand0() *rand.Rand { return rand.New(zero{}) }

type zero struct{}

func (zero) Uint64() uint64 { return 0 }
