package objective

import (
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// timeLaw is a law of times cut into cells of equal mass, with constant density in each. Drawing from it costs one
// look-up per time, and dividing by its density is exact whatever the law that it stands for.
type timeLaw struct {
	edges []float64 // of the cells, increasing
}

const (
	cells    = 4096
	gridSize = 16385 // times at which laws are tabulated
)

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

// newTimeLaw cuts a law into cells. mass is the distribution function at the times ts, up to a factor, and starts at 0.
func newTimeLaw(what string, ts, mass []float64) (*timeLaw, error) {
	last := len(ts) - 1
	if !(mass[last] > 0) || math.IsInf(mass[last], 0) {
		return nil, fmt.Errorf("objective: %s has mass %g on the span [%g, %g]", what, mass[last], ts[0], ts[last])
	}
	edges := make([]float64, cells+1)
	edges[0], edges[cells] = ts[0], ts[last]
	above := 1
	for c := 1; c < cells; c++ {
		want := mass[last] * float64(c) / cells
		for mass[above] < want {
			above++
		}
		part := (want - mass[above-1]) / (mass[above] - mass[above-1])
		edges[c] = ts[above-1] + part*(ts[above]-ts[above-1])
	}
	return &timeLaw{edges}, nil
}

// importanceLaw has a density proportional to g^2/Sigma^2, integrated by the trapezoid rule in ln t.
func importanceLaw(s sde.SDE) (*timeLaw, error) {
	ts := grid(s)
	rows, err := sde.Table(s, ts)
	if err != nil {
		return nil, err
	}
	density := func(k int) float64 { return ts[k] * math.Pow(rows.Diffusion[k]/rows.Sigma[k], 2) }
	mass := make([]float64, gridSize)
	for k := 1; k < gridSize; k++ {
		mass[k] = mass[k-1] + (density(k)+density(k-1))/2*math.Log(ts[k]/ts[k-1])
	}
	return newTimeLaw(fmt.Sprintf("g^2/Sigma^2 of %s", s), ts, mass)
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
	mass := make([]float64, gridSize)
	first := math.Log(rows.Sigma[0] / rows.Alpha[0])
	for k := 1; k < gridSize; k++ {
		y := math.Log(rows.Sigma[k] / rows.Alpha[k])
		mass[k] = normalMass((first-l.Mean)/l.Std, (y-l.Mean)/l.Std)
		if !(mass[k] >= mass[k-1]) {
			return nil, fmt.Errorf("objective: Sigma/Alpha of %s falls at t = %g", s, ts[k])
		}
	}
	return newTimeLaw(fmt.Sprintf("%s under %s", l, s), ts, mass)
}

// law has cells of equal ratios of noise.
func (l LogUniformSigma) law(s sde.SDE) (*timeLaw, error) {
	span := s.Span()
	ends, _, err := sde.ScheduleOf(s, []float64{span.Eps, span.T})
	if err != nil {
		return nil, err
	}
	if !(ends[0] > 0) {
		return nil, fmt.Errorf("objective: %s: noise of %s at Eps = %g is %g, want > 0", l, s, span.Eps, ends[0])
	}
	sigmas := make([]float64, cells+1)
	for c := range sigmas {
		sigmas[c] = ends[0] * math.Pow(ends[1]/ends[0], float64(c)/cells)
	}
	edges, err := sde.TimesAtNoise(s, sigmas)
	if err != nil {
		return nil, err
	}
	return &timeLaw{edges}, nil
}

// normalMass is the probability of [a, b] under N(0, 1), accurate in both tails.
func normalMass(a, b float64) float64 {
	if a > 0 {
		a, b = -b, -a
	}
	return distuv.UnitNormal.CDF(b) - distuv.UnitNormal.CDF(a)
}

// quantile returns the times t below which the law has mass u in [0, 1), and the density there; all [B].
func (l *timeLaw) quantile(u *Node) (t, density *Node) {
	width, rate := make([]float64, cells), make([]float64, cells)
	for c := range width {
		width[c] = l.edges[c+1] - l.edges[c]
		rate[c] = 1 / (cells * width[c])
	}
	position := Mul(u, ConstAs(u, float64(cells)))
	cell := ConvertDType(position, dtypes.Int32)
	at := func(values []float64) *Node { return Gather(ConstAs(u, values), InsertAxes(cell, -1)) }
	part := Sub(position, ConvertDType(cell, u.DType()))
	t = Add(at(l.edges[:cells]), Mul(part, at(width)))
	return Min(t, at(l.edges[1:])), at(rate)
}

// density is that at a time t of the span.
func (l *timeLaw) density(t float64) float64 {
	above, _ := slices.BinarySearch(l.edges, t)
	c := min(max(above, 1), cells)
	return 1 / (cells * (l.edges[c] - l.edges[c-1]))
}

// draw takes stratified times from the law, with the weights of the uniform law over it.
func (l *timeLaw) draw(s sde.SDE, rng noise.Source, x0 *Node) (t, weight *Node) {
	u := strata(rng, x0)
	t, density := l.quantile(u)
	span := s.Span()
	return t, Div(ConstAs(density, 1/(span.T-span.Eps)), density)
}
