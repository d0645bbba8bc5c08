package objective

import (
	"fmt"
	"math"
	"sort"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

var edmTimes = LogNormalSigma{Mean: -1.2, Std: 1.2}

type draws struct{ t, weight []float64 }

// draw takes n times from each sampler, inside the body of a loop as training does.
func draw(t *testing.T, b compute.Backend, s sde.SDE, dtype dtypes.DType, n int, samplers ...TimeSampler) []draws {
	t.Helper()
	shape := shapes.Make(dtype, n)
	var state []*tensors.Tensor
	for range 2 * len(samplers) {
		state = append(state, tensors.FromShape(shape))
	}
	l := loop.New(b, nil, len(state), func(_ *model.Scope, i *Node, _, inputs []*Node) []*Node {
		rng, next, x0 := noise.At(inputs[0], i), []*Node{}, Zeros(i.Graph(), shapes.Make(dtype, n, 2))
		for _, sampler := range samplers {
			at, weight := sampler.Draw(s, rng, x0)
			next = append(next, at, weight)
		}
		return next
	})
	out, err := l.Run(0, 1, state, []*tensors.Tensor{noise.Key(21, 0)})
	if err != nil {
		t.Fatal(err)
	}
	all := make([]draws, len(samplers))
	for k := range all {
		all[k] = draws{wide(out[2*k]), wide(out[1+2*k])}
	}
	return all
}

func wide(t *tensors.Tensor) []float64 {
	if t.DType() == dtypes.Float64 {
		return tensors.MustCopyFlatData[float64](t)
	}
	var out []float64
	for _, v := range tensors.MustCopyFlatData[float32](t) {
		out = append(out, float64(v))
	}
	return out
}

// distance is the Kolmogorov-Smirnov distance of the values to cdf.
func distance(values []float64, cdf func(float64) float64) float64 {
	sorted := append([]float64{}, values...)
	sort.Float64s(sorted)
	worst, n := 0.0, float64(len(sorted))
	for k, v := range sorted {
		p := cdf(v)
		worst = max(worst, p-float64(k)/n, float64(k+1)/n-p)
	}
	return worst
}

// fine tabulates s on a grid of its own: uniform and geometric points together, dense at both ends.
func fine(t *testing.T, s sde.SDE) sde.Values {
	t.Helper()
	span := s.Span()
	var ts []float64
	const n = 20000
	for k := range n + 1 {
		part := float64(k) / n
		ts = append(ts, span.Eps+(span.T-span.Eps)*part)
		if span.Eps > 0 {
			ts = append(ts, span.Eps*math.Pow(span.T/span.Eps, part))
		}
	}
	sort.Float64s(ts)
	v, err := sde.Table(s, ts)
	if err != nil {
		t.Fatal(err)
	}
	return v
}

// interpolate returns the function that is linear between (x, y).
func interpolate(x, y []float64) func(float64) float64 {
	return func(at float64) float64 {
		k := min(max(sort.SearchFloat64s(x, at), 1), len(x)-1)
		for k > 1 && x[k] == x[k-1] {
			k--
		}
		if x[k] == x[k-1] {
			return y[k]
		}
		part := min(max((at-x[k-1])/(x[k]-x[k-1]), 0), 1)
		return y[k-1] + part*(y[k]-y[k-1])
	}
}

// cumulative integrates density over t by the trapezoid rule and normalises.
func cumulative(ts []float64, density func(k int) float64) []float64 {
	cdf := make([]float64, len(ts))
	for k := 1; k < len(ts); k++ {
		cdf[k] = cdf[k-1] + (density(k)+density(k-1))/2*(ts[k]-ts[k-1])
	}
	for k := range cdf {
		cdf[k] /= cdf[len(cdf)-1]
	}
	return cdf
}

// TestTimes compares the laws of drawn times to distribution functions from another grid, and weighted means over them
// to means over uniform times.
func TestTimes(t *testing.T) {
	const n = 8192
	independent, even := 1.95/math.Sqrt(n), 1.0/n
	for _, s := range sde.All() {
		v := fine(t, s)
		span := s.Span()
		uniform := func(at float64) float64 { return (at - span.Eps) / (span.T - span.Eps) }
		importance := interpolate(v.T, cumulative(v.T, func(k int) float64 { return math.Pow(v.Diffusion[k]/v.Sigma[k], 2) }))
		normal := make([]float64, len(v.T))
		for k := range normal {
			normal[k] = distuv.UnitNormal.CDF((math.Log(v.Sigma[k]/v.Alpha[k]) - edmTimes.Mean) / edmTimes.Std)
		}
		low, mass := normal[0], normal[len(normal)-1]-normal[0]
		for k := range normal {
			normal[k] = (normal[k] - low) / mass
		}
		want := []struct {
			sampler TimeSampler
			cdf     func(float64) float64
			bound   float64
		}{
			{Uniform{}, uniform, independent},
			{Stratified{}, uniform, even + 1e-6},
			{Importance{}, importance, even + 5e-4},
			{edmTimes, interpolate(v.T, normal), independent + 5e-4},
		}
		for _, b := range backendtest.All(t) {
			_, slow := s.(sde.VP)
			if backend.OnDevice(b) && !slow {
				continue // each process compiles; they differ in formulas that pkg/sde tests on XLA
			}
			for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
				if backend.OnDevice(b) && dtype == dtypes.Float64 {
					continue
				}
				var samplers []TimeSampler
				for _, w := range want {
					samplers = append(samplers, w.sampler)
				}
				for k, d := range draw(t, b, s, dtype, n, samplers...) {
					what := fmt.Sprintf("%s %s %s, t %s", b.Name(), dtype, s, want[k].sampler)
					if dist := distance(d.t, want[k].cdf); !(dist < want[k].bound) {
						t.Errorf("%s: distance %g, want < %g", what, dist, want[k].bound)
					}
					checkInside(t, what, d, span)
					if want[k].sampler != edmTimes {
						checkMeans(t, what, d, span)
					}
				}
			}
		}
	}
}

func checkInside(t *testing.T, what string, d draws, span sde.Span) {
	t.Helper()
	slack := 1e-6 * (span.T - span.Eps)
	for k, at := range d.t {
		if !(at >= span.Eps-slack*span.Eps && at <= span.T+slack) {
			t.Fatalf("%s: t = %g outside [%g, %g]", what, at, span.Eps, span.T)
		}
		if w := d.weight[k]; !(w > 0) || math.IsInf(w, 0) {
			t.Fatalf("%s: weight %g at t = %g", what, w, at)
		}
	}
}

// checkMeans compares E[weight h(t)] to the mean of h over uniform times. The standard error is that of independent
// draws, which bounds that of stratified ones.
func checkMeans(t *testing.T, what string, d draws, span sde.Span) {
	t.Helper()
	length := span.T - span.Eps
	for name, h := range map[string]struct {
		value func(u float64) float64
		mean  float64
	}{
		"1":       {func(float64) float64 { return 1 }, 1},
		"u":       {func(u float64) float64 { return u }, 0.5},
		"u^2":     {func(u float64) float64 { return u * u }, 1.0 / 3},
		"cos 10u": {func(u float64) float64 { return math.Cos(10 * u) }, math.Sin(10) / 10},
		"u < 0.3": {func(u float64) float64 { return map[bool]float64{true: 1}[u < 0.3] }, 0.3},
	} {
		sum, square := 0.0, 0.0
		for k, at := range d.t {
			y := d.weight[k] * h.value((at-span.Eps)/length)
			sum, square = sum+y, square+y*y
		}
		n := float64(len(d.t))
		mean := sum / n
		stderr := math.Sqrt(math.Max(square/n-mean*mean, 0) / n)
		if !(math.Abs(mean-h.mean) <= 5*stderr+2e-4) {
			t.Errorf("%s: weighted mean of %s is %g +- %g, want %g", what, name, mean, stderr, h.mean)
		}
	}
}

func TestBadTimes(t *testing.T) {
	s := sde.VP{BetaMin: 0.1, BetaMax: 20}
	for says, o := range map[string]DSM{
		"got nil":   {},
		"std 0":     {SDE: s, Time: LogNormalSigma{}},
		"mass 0":    {SDE: s, Time: LogNormalSigma{Mean: 1e4, Std: 1}},
		"NaN":       {SDE: s, Time: LogNormalSigma{Mean: math.NaN(), Std: 1}},
		"Sigma":     {SDE: sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{T: 1}}},
		"lambda":    {SDE: s, Weighting: MinSNR(math.NaN())},
		"in [0.001": {SDE: s, Time: outside{}},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
	for _, s := range sde.All() { // Validate looks at weighting and times one by one, so no pairs of them are needed
		all := []DSM{}
		for _, at := range []TimeSampler{nil, Uniform{}, Stratified{}, Importance{}, edmTimes} {
			all = append(all, DSM{SDE: s, Time: at})
		}
		for _, w := range weightings {
			all = append(all, DSM{SDE: s, Weighting: w})
		}
		for _, o := range all {
			if err := o.Validate(); err != nil {
				t.Error(err)
			}
		}
	}
}

// outside draws times beyond the span.
type outside struct{ Uniform }

func (outside) Draw(s sde.SDE, rng noise.Source, x0 *Node) (t, weight *Node) {
	t, weight = Uniform{}.Draw(s, rng, x0)
	return AddScalar(t, 1), weight
}

// TestLogUniformSigma: on VE it is Uniform, and a process whose noise starts at 0 is refused.
func TestLogUniformSigma(t *testing.T) {
	const n = 20000
	s := sde.VE{SigmaMin: 0.01, SigmaMax: 50}
	drawn := draw(t, backend.Go(), s, dtypes.Float64, n, LogUniformSigma{})[0]
	if d := distance(drawn.t, func(t float64) float64 { return (t - 1e-5) / (1 - 1e-5) }); d > 1.95/math.Sqrt(n) {
		t.Errorf("distance to the uniform law %g", d)
	}
	err := DSM{SDE: sde.EDM{Times: sde.Span{Eps: 0, T: 1}}, Time: LogUniformSigma{}}.Validate()
	if err == nil || !strings.Contains(err.Error(), "at Eps = 0 is 0") {
		t.Errorf("got %v", err)
	}
}
