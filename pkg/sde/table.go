package sde

import (
	"fmt"
	"sync"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // the pure-Go backend evaluates tables in float64 on any machine
	. "github.com/gomlx/gomlx/core/graph"
)

// Values are the functions of a process at given times, all slices of the same length.
type Values struct {
	T, Alpha, Sigma, Drift, Diffusion []float64
}

// Table evaluates s at the times ts in float64, by running the graph functions of s themselves on GoMLX's Go backend.
// It returns an error when s fails Validate or its graph functions panic.
func Table(s SDE, ts []float64) (Values, error) {
	if err := Validate(s); err != nil {
		return Values{}, err
	}
	v := Values{T: append([]float64(nil), ts...)}
	out, err := onHost(func(t *Node) []*Node {
		return []*Node{s.Alpha(t), s.Sigma(t), s.Drift(t), s.Diffusion(t)}
	}, ts)
	if err != nil {
		return Values{}, fmt.Errorf("sde: table of %s: %w", s, err)
	}
	v.Alpha, v.Sigma, v.Drift, v.Diffusion = out[0], out[1], out[2], out[3]
	return v, nil
}

// At evaluates Alpha and Sigma of s at one time in float64. It panics where Table would return an error; use Table for
// processes of unknown origin and for many times.
func At(s SDE, t float64) (alpha, sigma float64) {
	v, err := Table(s, []float64{t})
	if err != nil {
		panic(err)
	}
	return v.Alpha[0], v.Sigma[0]
}

// hostBackend is opened once per process. Parallelism -1 (unlimited) is the only setting of this backend that cannot
// dead-lock.
var hostBackend = sync.OnceValues(func() (compute.Backend, error) {
	return compute.NewWithConfig("go:parallelism=-1")
})

// onHost runs fn in float64 on the Go backend; the outputs have the shape of the first argument.
func onHost[F ExecGraphFn](fn F, args ...[]float64) ([][]float64, error) {
	if len(args[0]) == 0 {
		return nil, fmt.Errorf("want at least one time, got none")
	}
	backend, err := hostBackend()
	if err != nil {
		return nil, fmt.Errorf("opening the Go backend: %w", err)
	}
	exec, err := NewExec(backend, fn)
	if err != nil {
		return nil, err
	}
	defer exec.Finalize()
	inputs := make([]any, len(args))
	for i, a := range args {
		inputs[i] = a
	}
	results, err := exec.Call(inputs...)
	if err != nil {
		return nil, err
	}
	out := make([][]float64, len(results))
	for i, r := range results {
		flat, ok := r.Value().([]float64)
		if !ok || len(flat) != len(args[0]) {
			return nil, fmt.Errorf("output %d: want float64 of shape [%d], got %s", i, len(args[0]), r.Shape())
		}
		out[i] = flat
	}
	return out, nil
}
