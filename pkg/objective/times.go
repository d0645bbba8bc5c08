package objective

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/sde"
)

// TimeSampler draws one time per example of a batch x0 [B, ...]: times t [B] in [Eps, T] of s and the weights [B] by
// which their losses are multiplied.
type TimeSampler interface {
	Draw(s sde.SDE, rng, x0 *Node) (newRNG, t, weight *Node)
	String() string
}

// Uniform draws independent uniform times.
type Uniform struct{}

// Draw implements TimeSampler with weights 1.
func (Uniform) Draw(s sde.SDE, rng, x0 *Node) (newRNG, t, weight *Node) {
	rng, u := RandomUniform(rng, batch(x0))
	return rng, spread(s, u), OnesLike(u)
}

// String returns "uniform".
func (Uniform) String() string { return "uniform" }

// Stratified draws uniform times that cover the span evenly within every batch, (u + i/B) mod 1 (Kingma et al. 2021, arXiv
// 2107.00630, appendix I.1).
type Stratified struct{}

// Draw implements TimeSampler with weights 1.
func (Stratified) Draw(s sde.SDE, rng, x0 *Node) (newRNG, t, weight *Node) {
	rng, u := strata(rng, x0)
	return rng, spread(s, u), OnesLike(u)
}

// String returns "stratified".
func (Stratified) String() string { return "stratified" }

// Importance draws times with density proportional to g^2/Sigma^2 and divides by it, which takes the variance out of
// the Likelihood weighting (Song et al. 2021, arXiv 2101.09258, section 4.2). The draws are stratified.
type Importance struct{}

// Draw implements TimeSampler with the weights of the uniform law over this one.
func (Importance) Draw(s sde.SDE, rng, x0 *Node) (newRNG, t, weight *Node) {
	table := must(importanceTable(s))
	rng, u := strata(rng, x0)
	t = table.quantile(u)
	// uniform density 1/(T-Eps) over the density g^2/(Z Sigma^2)
	span := s.Span()
	weight = MulScalar(Square(Div(s.Sigma(t), s.Diffusion(t))), table.total/(span.T-span.Eps))
	return rng, t, weight
}

// String returns "importance g^2/sigma^2".
func (Importance) String() string { return "importance g^2/sigma^2" }

// LogNormalSigma draws ln(Sigma/Alpha) from N(Mean, Std^2), cut to the span, as EDM does with Mean -1.2 and Std 1.2
// (Karras et al. 2022, Table 1). The density is not divided out: it is part of that paper's weighting.
type LogNormalSigma struct{ Mean, Std float64 }

// Draw implements TimeSampler with weights 1.
func (l LogNormalSigma) Draw(s sde.SDE, rng, x0 *Node) (newRNG, t, weight *Node) {
	if !(l.Std > 0) {
		panic(fmt.Errorf("objective: LogNormalSigma got std %g, want > 0", l.Std))
	}
	table := must(logSigmaTable(s))
	rng, z := RandomNormal(rng, batch(x0))
	t = table.quantile(AddScalar(MulScalar(z, l.Std), l.Mean))
	return rng, t, OnesLike(t)
}

// String names the law.
func (l LogNormalSigma) String() string { return fmt.Sprintf("ln sigma ~ N(%g, %g^2)", l.Mean, l.Std) }

func batch(x0 *Node) shapes.Shape { return shapes.Make(x0.DType(), x0.Shape().Dim(0)) }

func spread(s sde.SDE, u *Node) *Node {
	span := s.Span()
	return AddScalar(MulScalar(u, span.T-span.Eps), span.Eps)
}

// strata returns (u + i/B) mod 1.
func strata(rng, x0 *Node) (newRNG, u *Node) {
	n := x0.Shape().Dim(0)
	rng, u0 := RandomUniform(rng, shapes.Make(x0.DType(), 1))
	offsets := MulScalar(Iota(x0.Graph(), shapes.Make(x0.DType(), n), 0), 1/float64(n))
	u = Add(u0, offsets)
	return rng, Sub(u, ConvertDType(GreaterOrEqual(u, OnesLike(u)), u.DType()))
}

// table is an increasing function y(t) on the span of an SDE, tabulated so that it can be inverted in a graph.
type table struct {
	t, y  []float64
	total float64 // Importance: the integral of the density
}

const tableSize = 1025

// quantile returns t(y) by linear interpolation, y [B] -> [B]; y outside the table gives its ends.
func (tb *table) quantile(y *Node) *Node {
	ys, ts := ConstAs(y, [][]float64{tb.y}), ConstAs(y, tb.t)
	below := ConvertDType(LessThan(ys, InsertAxes(y, -1)), dtypes.Int32)
	index := ClipScalar(SubScalar(ReduceSum(below, -1), 1), 0, tableSize-2)
	at := func(values *Node, shift int) *Node {
		return Gather(values, InsertAxes(AddScalar(index, shift), -1))
	}
	flat := Reshape(ys, tableSize)
	y0, y1 := at(flat, 0), at(flat, 1)
	part := ClipScalar(Div(Sub(y, y0), Sub(y1, y0)), 0, 1)
	t0, t1 := at(ts, 0), at(ts, 1)
	return Add(t0, Mul(part, Sub(t1, t0)))
}

// grid spaces times so that both ends of spans over several decades are resolved: geometric from Eps > 0.
func grid(s sde.SDE) []float64 {
	span := s.Span()
	low := math.Max(span.Eps, 1e-7*span.T)
	ts := make([]float64, tableSize)
	for k := range ts {
		ts[k] = low * math.Pow(span.T/low, float64(k)/(tableSize-1))
	}
	ts[0], ts[tableSize-1] = low, span.T
	return ts
}

// importanceTable integrates g^2/Sigma^2 by the trapezoid rule in ln t and normalises it to a distribution function.
func importanceTable(s sde.SDE) (*table, error) {
	ts := grid(s)
	rows, err := sde.Table(s, ts)
	if err != nil {
		return nil, err
	}
	density := func(k int) float64 { return ts[k] * math.Pow(rows.Diffusion[k]/rows.Sigma[k], 2) }
	y := make([]float64, tableSize)
	for k := 1; k < tableSize; k++ {
		y[k] = y[k-1] + (density(k)+density(k-1))/2*math.Log(ts[k]/ts[k-1])
	}
	total := y[tableSize-1]
	for k := range y {
		y[k] /= total
	}
	return &table{t: ts, y: y, total: total}, nil
}

// logSigmaTable tabulates ln(Sigma/Alpha).
func logSigmaTable(s sde.SDE) (*table, error) {
	ts := grid(s)
	rows, err := sde.Table(s, ts)
	if err != nil {
		return nil, err
	}
	y := make([]float64, tableSize)
	for k := range y {
		y[k] = math.Log(rows.Sigma[k] / rows.Alpha[k])
		if k > 0 && !(y[k] > y[k-1]) {
			return nil, fmt.Errorf("objective: Sigma/Alpha of %s does not increase at t = %g", s, ts[k])
		}
	}
	return &table{t: ts, y: y}, nil
}

// must turns an error into the panic that graph builders raise.
func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}
