package main

import (
	"slices"
	"time"
)

// meter times the steps of a long run that reports its progress, and in each pause of the run measures the matrix
// products again. Neighbours in time see the same load of the machine, so each pair gives a ratio, and the median of
// these counts; of the times the best counts, as the one with the least of others' work in it.
type meter struct {
	gemm  *gemm
	skip  int // reports to pass over: those whose steps hold a compilation
	steps []time.Duration
	rates []float64 // of the products after these steps, GFLOP/s
	err   error
	began time.Time
	done  int
}

// start begins a run at step 0.
func (m *meter) start() { m.done, m.began = 0, time.Now() }

// progress is the Progress callback of the run.
func (m *meter) progress(done, _ int, _ string) {
	took := time.Since(m.began) / time.Duration(max(1, done-m.done))
	rate, err := m.gemm.rate()
	switch {
	case err != nil:
		m.err = err
	case m.skip > 0:
		m.skip--
	default:
		m.steps, m.rates = append(m.steps, took), append(m.rates, rate)
	}
	m.done, m.began = done, time.Now()
}

// against reports steps of the given floating point operations and rows as a benchmark.
func (m *meter) against(name string, flop float64, rows int) (benchmark, error) {
	if m.err != nil {
		return benchmark{}, m.err
	}
	ratios := make([]float64, len(m.steps))
	for i, d := range m.steps {
		ratios[i] = flop / 1e9 / d.Seconds() / m.rates[i]
	}
	best := slices.Min(m.steps)
	return benchmark{
		Name: name, Value: flop / 1e9 / best.Seconds(), Unit: "GFLOP/s", Ratio: median(ratios), Of: gemmName,
		detail: milliseconds(best) + perSecond(float64(rows)/best.Seconds()),
	}, nil
}

// median sorts v.
func median(v []float64) float64 {
	slices.Sort(v)
	return (v[(len(v)-1)/2] + v[len(v)/2]) / 2
}
