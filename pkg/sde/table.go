package sde

import (
	"errors"
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/scoresde/scoresde/pkg/backend"
)

// Values are the functions of a process at given times, all slices of the same length.
type Values struct {
	T, Alpha, Sigma, Drift, Diffusion []float64
}

// Evaluator computes host values of one process in float64, by running the graph functions of the process itself on
// GoMLX's Go backend. It compiles once per number of times, so repeated evaluation is cheap.
type Evaluator struct {
	sde  SDE
	exec *Exec
}

// NewEvaluator returns an Evaluator of s, or the error of Validate(s).
func NewEvaluator(s SDE) (*Evaluator, error) {
	if err := Validate(s); err != nil {
		return nil, err
	}
	exec, err := NewExec(backend.Go(), func(t *Node) []*Node {
		defer backend.PanicWithError()
		return []*Node{s.Alpha(t), s.Sigma(t), s.Drift(t), s.Diffusion(t)}
	})
	if err != nil {
		return nil, fmt.Errorf("sde: %s: %w", s, err)
	}
	exec.SetMaxCache(-1)
	return &Evaluator{sde: s, exec: exec}, nil
}

// Table evaluates the process at the times ts. It returns an error when ts is empty, and when a graph function panics
// or returns something of another shape than that of t.
func (e *Evaluator) Table(ts []float64) (Values, error) {
	if len(ts) == 0 {
		return Values{}, errors.New("sde: table: want at least one time, got none")
	}
	results, err := e.exec.Call(ts)
	if err != nil {
		return Values{}, fmt.Errorf("sde: table of %s: %w", e.sde, err)
	}
	v := Values{T: slices.Clone(ts)}
	columns := []struct {
		name string
		to   *[]float64
	}{{"Alpha", &v.Alpha}, {"Sigma", &v.Sigma}, {"Drift", &v.Drift}, {"Diffusion", &v.Diffusion}}
	for i, column := range columns {
		flat, ok := results[i].Value().([]float64)
		if !ok || len(flat) != len(ts) {
			return Values{}, fmt.Errorf("sde: table of %s: %s: want float64 of shape [%d], got %s",
				e.sde, column.name, len(ts), results[i].Shape())
		}
		*column.to = flat
	}
	return v, nil
}

// Table evaluates s at the times ts in float64. It returns an error when s fails Validate, ts is empty, or the graph
// functions of s misbehave. For many calls with the same process keep an Evaluator.
func Table(s SDE, ts []float64) (Values, error) {
	e, err := NewEvaluator(s)
	if err != nil {
		return Values{}, err
	}
	defer e.exec.Finalize()
	return e.Table(ts)
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
