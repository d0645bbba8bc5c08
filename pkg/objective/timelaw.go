package objective

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/scoresde/scoresde/pkg/sde"
)

// timeLaw is a law of times by its distribution function at the points of a grid, linear between them. Its density is
// then constant between them, so that dividing by it is exact whatever the grid.
type timeLaw struct {
	t, cdf []float64
}

const gridSize = 1025

// grid spaces times so that both ends of spans over several decades are resolved: geometric from Eps, or from 1e-7 T
// where Eps is smaller.
func grid(s sde.SDE) []float64 {
	span := s.Span()
	low := math.Max(span.Eps, 1e-7*span.T)
	ts := make([]float64, gridSize)
	for k := range ts {
		ts[k] = low * math.Pow(span.T/low, float64(k)/(gridSize-1))
	}
	ts[gridSize-1] = span.T
	return ts
}

// newTimeLaw normalises a distribution function that starts at 0.
func newTimeLaw(what string, t, cdf []float64) (*timeLaw, error) {
	total := cdf[len(cdf)-1]
	if !(total > 0) || math.IsInf(total, 0) {
		return nil, fmt.Errorf("objective: %s has mass %g on the span [%g, %g]", what, total, t[0], t[len(t)-1])
	}
	for k := range cdf {
		cdf[k] /= total
	}
	return &timeLaw{t, cdf}, nil
}

// importanceLaw has a density proportional to g^2/Sigma^2, integrated by the trapezoid rule in ln t.
func importanceLaw(s sde.SDE) (*timeLaw, error) {
	ts := grid(s)
	rows, err := sde.Table(s, ts)
	if err != nil {
		return nil, err
	}
	density := func(k int) float64 { return ts[k] * math.Pow(rows.Diffusion[k]/rows.Sigma[k], 2) }
	cdf := make([]float64, gridSize)
	for k := 1; k < gridSize; k++ {
		cdf[k] = cdf[k-1] + (density(k)+density(k-1))/2*math.Log(ts[k]/ts[k-1])
	}
	return newTimeLaw(fmt.Sprintf("g^2/Sigma^2 of %s", s), ts, cdf)
}

// law is that of t where ln(Sigma/Alpha) is normal.
func (l LogNormalSigma) law(s sde.SDE) (*timeLaw, error) {
	if !(l.Std > 0) || math.IsInf(l.Std, 0) || math.IsNaN(l.Mean) || math.IsInf(l.Mean, 0) {
		return nil, fmt.Errorf("objective: LogNormalSigma got mean %g and std %g, want finite numbers and std > 0", l.Mean, l.Std)
	}
	ts := grid(s)
	rows, err := sde.Table(s, ts)
	if err != nil {
		return nil, err
	}
	cdf := make([]float64, gridSize)
	var first, last float64
	for k := range cdf {
		y := math.Log(rows.Sigma[k] / rows.Alpha[k])
		if k == 0 {
			first, last = y, y
		}
		if !(y >= last) {
			return nil, fmt.Errorf("objective: Sigma/Alpha of %s falls at t = %g", s, ts[k])
		}
		last = y
		cdf[k] = normalMass((first-l.Mean)/l.Std, (y-l.Mean)/l.Std)
	}
	return newTimeLaw(fmt.Sprintf("%s under %s", l, s), ts, cdf)
}

// normalMass is the probability of [a, b] under N(0, 1), accurate in both tails.
func normalMass(a, b float64) float64 {
	if a > 0 {
		a, b = -b, -a
	}
	return distuv.UnitNormal.CDF(b) - distuv.UnitNormal.CDF(a)
}

// quantile returns the times t at which the distribution function is u in [0, 1), and the density there; all [B].
func (l *timeLaw) quantile(u *Node) (t, density *Node) {
	n := len(l.t)
	from, slope, rate := make([]float64, n-1), make([]float64, n-1), make([]float64, n-1)
	for k := range from {
		width, mass := l.t[k+1]-l.t[k], l.cdf[k+1]-l.cdf[k]
		from[k], rate[k] = l.t[k], mass/width
		if mass > 0 {
			slope[k] = width / mass
		}
	}
	below := ConvertDType(LessOrEqual(ConstAs(u, [][]float64{l.cdf}), InsertAxes(u, -1)), dtypes.Int32)
	last := ConstAs(below, int32(n-2))
	index := Min(Sub(ReduceSum(below, -1), ConstAs(below, int32(1))), last)
	at := func(values []float64) *Node { return Gather(ConstAs(u, values), InsertAxes(index, -1)) }
	t = Add(at(from), Mul(Sub(u, at(l.cdf[:n-1])), at(slope)))
	return Min(t, at(l.t[1:])), at(rate)
}
