package score

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/sde"
)

// Translate turns the score of data noised by one process into that of the same data noised by another. Where two processes
// have equal noise rho = Sigma/Alpha their laws differ in scale alone, x/Alpha having the same one, so that
//
//	score_to(x, t) = c score_from(c x, s),   rho_from(s) = rho_to(t),   c = Alpha_from(s)/Alpha_to(t)
//
// (Karras et al. 2022, arXiv 2206.00364, section 2). A network trained under one process so serves under all. Noise beyond
// that of the span of from is taken at its end. Errors: processes that cannot be used, or whose noise does not rise with t.
func Translate(f Func, from, to sde.SDE) (Func, error) {
	if f == nil {
		return nil, fmt.Errorf("score: no score to translate")
	}
	if err := sde.Validate(to); err != nil {
		return nil, fmt.Errorf("score: process to translate to: %w", err)
	}
	inverse, err := newNoiseTable(from)
	if err != nil {
		return nil, fmt.Errorf("score: process to translate from: %w", err)
	}
	return func(x, t *Node) *Node {
		alpha := to.Alpha(t)
		s := inverse.time(Sub(Log(to.Sigma(t)), Log(alpha)))
		c := sde.Like(Div(from.Alpha(s), alpha), x)
		return Mul(c, f(Mul(c, x), s))
	}, nil
}

// noiseTable finds times by their noise: times at even steps of ln(Sigma/Alpha).
type noiseTable struct {
	first, step float64 // of ln(Sigma/Alpha)
	times       []float64
}

const (
	noiseCells = 1 << 13 // relative errors of interpolated times stay below 1e-6
	noiseGrid  = 1 << 15
)

// newNoiseTable inverts ln(Sigma/Alpha) on the span of s, which is tabulated at times whose logarithms are even.
func newNoiseTable(s sde.SDE) (*noiseTable, error) {
	if err := sde.Validate(s); err != nil {
		return nil, err
	}
	span := s.Span()
	low := math.Max(span.Eps, 1e-9*span.T)
	ts := make([]float64, noiseGrid+1)
	for k := range ts {
		ts[k] = low * math.Pow(span.T/low, float64(k)/noiseGrid)
	}
	ts[noiseGrid] = span.T
	rows, err := sde.Table(s, ts)
	if err != nil {
		return nil, err
	}
	noise := make([]float64, len(ts))
	for k := range ts {
		noise[k] = math.Log(rows.Sigma[k] / rows.Alpha[k])
		if k > 0 && !(noise[k] > noise[k-1]) || math.IsInf(noise[k], 0) {
			return nil, fmt.Errorf("Sigma/Alpha of %s does not rise at t = %g", s, ts[k])
		}
	}
	table := &noiseTable{noise[0], (noise[noiseGrid] - noise[0]) / noiseCells, make([]float64, noiseCells+1)}
	above := 1
	for c := range table.times {
		at := table.first + float64(c)*table.step
		for above < noiseGrid && noise[above] < at {
			above++
		}
		part := (at - noise[above-1]) / (noise[above] - noise[above-1])
		table.times[c] = ts[above-1] + part*(ts[above]-ts[above-1])
	}
	return table, nil
}

// time interpolates the times at which ln(Sigma/Alpha) is noise, of any shape.
func (n *noiseTable) time(noise *Node) *Node {
	position := Div(Sub(noise, ConstAs(noise, n.first)), ConstAs(noise, n.step))
	position = Min(Max(position, ScalarZero(noise.Graph(), noise.DType())), ConstAs(noise, float64(noiseCells)))
	cell := Min(ConvertDType(position, dtypes.Int32), Const(noise.Graph(), int32(noiseCells-1)))
	part := Sub(position, ConvertDType(cell, noise.DType()))
	at := func(values []float64) *Node { return Gather(ConstAs(noise, values), InsertAxes(cell, -1)) }
	left := at(n.times[:noiseCells])
	return Add(left, Mul(part, Sub(at(n.times[1:]), left)))
}
