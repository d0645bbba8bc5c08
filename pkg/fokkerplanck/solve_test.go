package fokkerplanck

import (
	"errors"
	"math"
	"strings"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sde"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

func normalCDF(mean, std float64) func(float64) float64 {
	return func(x float64) float64 { return math.Erfc((mean-x)/(std*math.Sqrt2)) / 2 }
}

// cdfOf is the distribution function of alpha X + sigma Z.
func cdfOf(l dist.Univariate, alpha, sigma float64) func(float64) float64 {
	noised := l.Noised(alpha, sigma).(dist.Univariate)
	return func(x float64) float64 {
		lower, _ := noised.LogTails(x)
		return math.Exp(lower)
	}
}

// totalVariation is half the sum of the differences of the masses of the cells, at the kth time.
func (s *Solution) totalVariation(k int, cdf func(float64) float64) float64 {
	edges := s.Edges.RawRowView(k)
	sum := 0.0
	for i, density := range s.Density.RawRowView(k) {
		sum += math.Abs(density*(edges[i+1]-edges[i]) - (cdf(edges[i+1]) - cdf(edges[i])))
	}
	return sum / 2
}

// mass is the sum over the cells at the kth time.
func (s *Solution) mass(k int) float64 {
	edges := s.Edges.RawRowView(k)
	sum := 0.0
	for i, density := range s.Density.RawRowView(k) {
		sum += density * (edges[i+1] - edges[i])
	}
	return sum
}

// pulled is a process with a drift that depends on x and t and a Gaussian law: dx = (sin(3t) - x) dt + dw.
func pulled() Process {
	return Of(func(x, t float64) float64 { return math.Sin(3*t) - x }, func(float64) float64 { return 1 })
}

// pulledCDF starts from N(1, 0.3^2): m' = sin(3t) - m, v' = 1 - 2v.
func pulledCDF(t float64) func(float64) float64 {
	mean := (math.Sin(3*t)-3*math.Cos(3*t))/10 + (1+0.3)*math.Exp(-t)
	return normalCDF(mean, math.Sqrt(0.5+(0.09-0.5)*math.Exp(-2*t)))
}

// TestOrders halves cells with short steps, and steps on one grid, against the finest: orders 2 in space, and 2 and 1 in
// time for the two schemes.
func TestOrders(t *testing.T) {
	solve := func(cells, steps int, scheme Scheme) *Solution {
		return must(Solve(Problem{Process: pulled(), Domain: Fixed(-4, 5), CDF: pulledCDF(0), Cells: cells, Times: []float64{0, 1}, Steps: steps, Scheme: scheme}))
	}
	var space []float64
	for _, cells := range []int{50, 100, 200} {
		space = append(space, solve(cells, 400, Midpoint).totalVariation(1, pulledCDF(1)))
	}
	checkOrder(t, "space", space, 2)
	for _, c := range []struct {
		scheme Scheme
		order  float64
	}{{Midpoint, 2}, {BackwardEuler, 1}} {
		exact := solve(100, 4000, Midpoint).Density.RawRowView(1)
		var time []float64
		for _, steps := range []int{20, 40, 80} {
			time = append(time, floats.Distance(solve(100, steps, c.scheme).Density.RawRowView(1), exact, 1))
		}
		checkOrder(t, c.scheme.String(), time, c.order)
	}
}

// checkOrder wants each halving to divide the error by 2^order within 15%.
func checkOrder(t *testing.T, what string, errors []float64, order float64) {
	t.Helper()
	for i := range errors[1:] {
		if got := math.Log2(errors[i] / errors[i+1]); math.Abs(got-order) > 0.2 {
			t.Errorf("%s: order %.3f, want %g (errors %.3g)", what, got, order, errors)
		}
	}
}

// TestUniformUnderVP holds the solver against the closed form CF3 of the noised uniform law, from the jumps at t = 0 on.
func TestUniformUnderVP(t *testing.T) {
	s := sde.VP{BetaMin: 0.1, BetaMax: 20}
	var times []float64
	for i := range 21 {
		times = append(times, float64(i)/20)
	}
	k := must(sde.Table(s, times))
	var means []float64
	for _, cells := range []int{110, 220, 440, 880} {
		got := must(Solve(Problem{Process: must(Affine(s)), Domain: Fixed(-5, 6), CDF: cdfOf(dist.Unit(), 1, 0), Cells: cells, Times: times, Steps: cells / 22}))
		mean := 0.0
		for i := range times {
			mean += got.totalVariation(i, cdfOf(dist.Unit(), k.Alpha[i], k.Sigma[i])) / float64(len(times))
			if m := got.mass(i); math.Abs(m-1) > 1e-12 {
				t.Errorf("%d cells: mass 1%+.2g at t = %g", cells, m-1, times[i])
			}
		}
		means = append(means, mean)
	}
	checkOrder(t, "cells and steps", means, 2)
	if last := means[len(means)-1]; !(last < 1e-3) {
		t.Errorf("mean total variation %g, want below 1e-3", last)
	}
}

// TestJumpsAreDamped: steps 50 times as long as cells allow explicitly, from a law with jumps, leave no oscillation.
func TestJumpsAreDamped(t *testing.T) {
	still := Of(func(_, _ float64) float64 { return 0 }, func(float64) float64 { return 1 })
	got := must(Solve(Problem{Process: still, Domain: Fixed(-3, 4), CDF: cdfOf(dist.Unit(), 1, 0), Cells: 700, Times: []float64{0, 0.1}, Steps: 10}))
	if gap := got.totalVariation(1, cdfOf(dist.Unit(), 1, math.Sqrt(0.1))); !(gap < 2e-3) {
		t.Errorf("total variation %g", gap)
	}
	if low := floats.Min(got.Density.RawRowView(1)); low < -1e-6 {
		t.Errorf("density %g", low)
	}
}

// TestGrowingDomain follows the VE process, whose law widens 5000 times, on cells that grow with it.
func TestGrowingDomain(t *testing.T) {
	s := sde.VE{SigmaMin: 0.01, SigmaMax: 50}
	var times []float64
	for i := range 11 {
		times = append(times, float64(i)/10)
	}
	k := must(sde.Table(s, times))
	domain := func(t float64) (lo, hi float64) {
		reach := 0.01 * math.Pow(5000, t)
		return -7 * reach, 1 + 7*reach
	}
	var worst []float64
	for _, cells := range []int{200, 400, 800} {
		got := must(Solve(Problem{Process: must(Affine(s)), Domain: domain, CDF: cdfOf(dist.Unit(), 1, 0.01), Cells: cells, Times: times, Steps: cells / 20}))
		w := 0.0
		for i := range times {
			w = max(w, got.totalVariation(i, cdfOf(dist.Unit(), k.Alpha[i], k.Sigma[i])))
			if m := got.mass(i); math.Abs(m-1) > 1e-12 {
				t.Errorf("%d cells: mass 1%+.2g at t = %g", cells, m-1, times[i])
			}
		}
		worst = append(worst, w)
	}
	checkOrder(t, "growing cells", worst, 2)
}

// TestDoubleWell ends at the stationary law of a process without a kernel, run from graph functions.
func TestDoubleWell(t *testing.T) {
	well := sde.DoubleWell{Depth: 1, Noise: math.Sqrt2}
	p := must(Nonlinear(must(well.Process(sde.Span{Eps: 0.01, T: 20}))))
	_, cdf := well.Stationary()
	var gaps []float64
	for _, cells := range []int{50, 100, 200} {
		got := must(Solve(Problem{Process: p, Domain: Fixed(-3, 3), CDF: normalCDF(0.8, 0.1), Cells: cells, Times: []float64{0, 20}, Steps: 200}))
		gaps = append(gaps, got.totalVariation(1, cdf))
	}
	checkOrder(t, "stationary law", gaps, 2)
	if last := gaps[len(gaps)-1]; !(last < 1e-3) {
		t.Errorf("total variation %g from the stationary law", last)
	}
}

// TestTailsKeepTheirDigits: the stationary density of the discrete OU process is known to follow from the rates alone,
// p_{i+1}/p_i = e^{-z}, down to 1e-200, which a solver that subtracts cannot hold.
func TestTailsKeepTheirDigits(t *testing.T) {
	s := sde.OU1()
	const cells = 400
	got := must(Solve(Problem{Process: must(Affine(s)), Domain: Fixed(-30, 30), CDF: normalCDF(0, 1), Cells: cells, Times: []float64{0, 1e6}, Steps: 5, Scheme: BackwardEuler}))
	density, edges := got.Density.RawRowView(1), got.Edges.RawRowView(1)
	for i := range cells - 1 {
		z := -edges[i+1] * (60.0 / cells)
		if math.Abs(math.Log(density[i+1]/density[i])-z) > 1e-4 {
			t.Fatalf("the density grows by %g from cell %d of %g, want e^%g", density[i+1]/density[i], i, density[i], z)
		}
	}
	if density[0] > 1e-190 {
		t.Errorf("density %g at -30", density[0])
	}
}

// TestPositive: backward Euler keeps every density positive, with steps and cells far too long for accuracy, against drift
// that diffusion hardly opposes.
func TestPositive(t *testing.T) {
	p := Of(func(x, t float64) float64 { return 50 * math.Sin(7*x+t) }, func(float64) float64 { return 0.05 })
	got := must(Solve(Problem{Process: p, Domain: Fixed(-2, 2), CDF: normalCDF(0, 0.3), Cells: 40, Times: []float64{0, 1, 30}, Steps: 3, Scheme: BackwardEuler}))
	for k := range got.Times {
		if low := floats.Min(got.Density.RawRowView(k)); low < 0 {
			t.Errorf("density %g at t = %g", low, got.Times[k])
		}
		if m := got.mass(k); math.Abs(m-1) > 1e-12 {
			t.Errorf("mass 1%+.2g at t = %g", m-1, got.Times[k])
		}
	}
}

// TestWithoutNoise: drift alone carries the mean along, and rest leaves everything as it was.
func TestWithoutNoise(t *testing.T) {
	none := func(float64) float64 { return 0 }
	problem := Problem{Domain: Fixed(-2, 8), CDF: normalCDF(0, 0.3), Cells: 100, Times: []float64{0, 2}, Steps: 100}
	problem.Process = Of(func(_, _ float64) float64 { return 2.5 }, none)
	got := must(Solve(problem))
	mean := 0.0
	for i, density := range got.Density.RawRowView(1) {
		mean += density * 0.1 * (-2 + 0.1*(float64(i)+0.5))
	}
	if math.Abs(mean-5) > 1e-3 {
		t.Errorf("the mean moved to %g, want 5", mean)
	}
	problem.Process = Of(func(_, _ float64) float64 { return 0 }, none)
	got = must(Solve(problem))
	if !floats.EqualApprox(got.Density.RawRowView(0), got.Density.RawRowView(1), 1e-14) {
		t.Error("a law at rest changed")
	}
}

// TestProcessesAgree: one process as functions, as SDE and as graphs.
func TestProcessesAgree(t *testing.T) {
	s := sde.OU1()
	var densities []*mat.Dense
	for _, p := range []Process{
		must(Affine(s)), must(Nonlinear(sde.Affine(s))),
		Of(func(x, _ float64) float64 { return -x }, func(float64) float64 { return math.Sqrt2 }),
	} {
		densities = append(densities, must(Solve(Problem{Process: p, Domain: Fixed(-4, 4), CDF: normalCDF(1, 0.2), Cells: 50, Times: []float64{0, 0.3}, Steps: 5})).Density)
	}
	for _, d := range densities[1:] {
		if !mat.EqualApprox(densities[0], d, 1e-12) {
			t.Error("the forms of one process disagree")
		}
	}
}

// TestRoundingOfCDF: distribution functions may waver by their rounding.
func TestRoundingOfCDF(t *testing.T) {
	wavers := func(x float64) float64 { return 1 + 1e-15*math.Sin(1e6*x) }
	got := must(Solve(Problem{Process: pulled(), Domain: Fixed(0, 1), CDF: wavers, Cells: 50, Times: []float64{0}, Steps: 1}))
	if low, m := floats.Min(got.Density.RawRowView(0)), got.mass(0); low < 0 || math.Abs(m-1) > 1e-15 {
		t.Errorf("density %g, mass 1%+.2g", low, m-1)
	}
}

func TestRefuses(t *testing.T) {
	good := Problem{Process: pulled(), Domain: Fixed(-4, 4), CDF: normalCDF(0, 1), Cells: 10, Times: []float64{0, 1}, Steps: 2}
	if _, err := Solve(good); err != nil {
		t.Fatal(err)
	}
	nan := func(float64) float64 { return math.NaN() }
	for says, change := range map[string]func(p *Problem){
		"got nil":         func(p *Problem) { p.Process = nil },
		"want both":       func(p *Problem) { p.CDF = nil },
		"Cells = 2":       func(p *Problem) { p.Cells = 2 },
		"Steps = 0":       func(p *Problem) { p.Steps = 0 },
		"Times is empty":  func(p *Problem) { p.Times = nil },
		"increasing":      func(p *Problem) { p.Times = []float64{1, 1} },
		"Scheme = 7":      func(p *Problem) { p.Scheme = 7 },
		"[4, -4]":         func(p *Problem) { p.Domain = Fixed(4, -4) },
		"increase from 0": func(p *Problem) { p.CDF = func(x float64) float64 { return -x } },
		"CDF(":            func(p *Problem) { p.CDF = nan },
		"diffusion at":    func(p *Problem) { p.Process = Of(func(x, _ float64) float64 { return x }, nan) },
		"drift at": func(p *Problem) {
			p.Process = Of(func(x, _ float64) float64 { return math.Inf(1) }, func(float64) float64 { return 1 })
		},
		"one for each of 11": func(p *Problem) {
			p.Process = func(float64, []float64) ([]float64, float64, error) { return nil, 1, nil }
		},
		"bang": func(p *Problem) {
			p.Process = func(float64, []float64) ([]float64, float64, error) { return nil, 1, errors.New("bang") }
		},
	} {
		p := good
		change(&p)
		if _, err := Solve(p); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
	if _, err := Affine(nil); err == nil {
		t.Error("Affine of nothing accepted")
	}
	if _, err := Nonlinear(sde.Nonlinear{}); err == nil {
		t.Error("Nonlinear without functions accepted")
	}
}
