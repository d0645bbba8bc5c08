package edm

import (
	"context"
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sampler"
)

// relative is the relative error.
func relative(got, want float64) float64 { return math.Abs(got-want) / math.Abs(want) }

// closeTo compares two numbers.
func closeTo(t *testing.T, what string, got, want, tol float64) {
	t.Helper()
	if !(math.Abs(got-want) <= tol) {
		t.Errorf("%s: got %.12g, want %.12g within %.2g", what, got, want, tol)
	}
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func must2(sigma, _ []float64, err error) []float64 { return must(sigma, err) }

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

// run fails the test on any error.
func run(t *testing.T, s *sampler.Sampler, m sampler.Method, set sampler.Settings) *sampler.Result {
	t.Helper()
	r, err := s.Run(context.Background(), m, set)
	if err != nil {
		t.Fatalf("%s: %v", m, err)
	}
	return r
}

// flat copies a tensor's numbers to float64.
func flat(x *tensors.Tensor) []float64 { return sampler.Matrix(x).RawMatrix().Data }
