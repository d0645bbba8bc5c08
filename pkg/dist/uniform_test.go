package dist

import (
	"math"
	"sort"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mat"
)

func bigPhi(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

func smallPhi(z float64) float64 { return math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) }

// TestUnitAgainstPlainFormulas compares with the textbook cdf differences where they do not cancel.
func TestUnitAgainstPlainFormulas(t *testing.T) {
	for _, k := range [][2]float64{{1, 0.05}, {0.9, 0.3}, {0.8, 0.6}, {0.5, 0.9}} {
		alpha, sigma := k[0], k[1]
		var xs, logProb, score, cdf []float64
		for x := -2 * sigma; x < alpha+2*sigma; x += sigma / 7 {
			b, a := x/sigma, (x-alpha)/sigma
			mass := bigPhi(b) - bigPhi(a)
			xs = append(xs, x)
			logProb = append(logProb, math.Log(mass/alpha))
			score = append(score, (smallPhi(b)-smallPhi(a))/(sigma*mass))
			psi := func(z float64) float64 { return z*bigPhi(z) + smallPhi(z) }
			cdf = append(cdf, sigma/alpha*(psi(b)-psi(a)))
		}
		x := mat.NewDense(len(xs), 1, xs)
		wantClose(t, "LogProb", must(LogProbAt(Unit(), x, alpha, sigma)), logProb, 1e-13)
		wantClose(t, "Score", flat(must(ScoreAt(Unit(), x, alpha, sigma))), score, 1e-13)
		wantClose(t, "CDF", flat(must(CDFAt(Unit(), x, alpha, sigma))), cdf, 1e-13)
	}
}

// TestUnitAgainstQuadrature covers widths alpha/sigma from 1e-6 to 1e4 and points out to 3000 sigma, where the plain
// formulas lose all digits: the integral over the box, scaled by its largest integrand, is a sum of positive terms.
func TestUnitAgainstQuadrature(t *testing.T) {
	for width := 1e-6; width < 2e4; width *= 10 {
		var zs []float64
		for _, tail := range []float64{0, 0.01, 0.3, 0.999, 1, 1.001, 2, 5, 11, 30, 200, 1000, 3000} {
			zs = append(zs, -tail, width+tail)
		}
		for u := 0.0; u <= 1; u += 0.125 {
			zs = append(zs, u*width)
		}
		sort.Float64s(zs)
		var logProb, score, denoised []float64
		for _, z := range zs {
			mass, mean := noiseInterval(z-width, z)
			logProb = append(logProb, mass)
			score = append(score, -mean)
			denoised = append(denoised, math.Max(0, math.Min(1, (z-mean)/width)))
		}
		x := mat.NewDense(len(zs), 1, zs)
		wantClose(t, "LogProb", must(LogProbAt(Unit(), x, width, 1)), logProb, 1e-11)
		wantClose(t, "Score", flat(must(ScoreAt(Unit(), x, width, 1))), score, 1e-11)
		if width > 1e-3 { // below, (z - mean)/width of the reference has no digits left
			wantClose(t, "Denoise", flat(must(DenoiseAt(Unit(), x, width, 1))), denoised, 1e-10/math.Min(1, width))
		}
	}
}

// noiseInterval returns the log of the mean of the normal density over [a, b], and E[Z | a < Z < b].
func noiseInterval(a, b float64) (logMass, mean float64) {
	peak := math.Max(a, math.Min(b, 0)) // the largest density
	lo, hi := math.Max(a, peak-40), math.Min(b, peak+40)
	if peak != 0 { // one-sided: the density falls as exp(-|peak| distance)
		reach := 40 / math.Max(1, math.Abs(peak))
		lo, hi = math.Max(a, peak-reach), math.Min(b, peak+reach)
	}
	const pieces = 64
	mass, moment := 0.0, 0.0
	for i := range pieces {
		left, right := lo+(hi-lo)*float64(i)/pieces, lo+(hi-lo)*float64(i+1)/pieces
		f := func(z float64) float64 { return math.Exp((peak - z) * (peak + z) / 2) }
		mass += quad.Fixed(f, left, right, 20, quad.Legendre{}, 0)
		moment += quad.Fixed(func(z float64) float64 { return (z - peak) * f(z) }, left, right, 20, quad.Legendre{}, 0)
	}
	return math.Log(mass/(b-a)) - peak*peak/2 - halfLog2Pi, peak + moment/mass
}

// TestUniformMirror checks the sign flip: the law is symmetric about its centre.
func TestUniformMirror(t *testing.T) {
	u := must(NewUniform([]float64{-1}, []float64{3}, 0.2))
	left := mat.NewDense(4, 1, []float64{0.8 - 0.1, 0.8 - 2, 0.8 - 5, 0.8 - 60})
	right := mat.NewDense(4, 1, []float64{0.8 + 0.1, 0.8 + 2, 0.8 + 5, 0.8 + 60})
	wantClose(t, "LogProb", must(LogProbAt(u, left, 0.8, 0.5)), must(LogProbAt(u, right, 0.8, 0.5)), 1e-13)
	var mirrored mat.Dense
	mirrored.Scale(-1, must(ScoreAt(u, right, 0.8, 0.5)))
	wantClose(t, "Score", flat(must(ScoreAt(u, left, 0.8, 0.5))), flat(&mirrored), 1e-13)
}

// TestUniformWithoutNoise checks the density of the box itself.
func TestUniformWithoutNoise(t *testing.T) {
	x := mat.NewDense(4, 1, []float64{-0.1, 0.2, 0.9, 1.3})
	inside := math.Log(0.8) // the box is [0, 1.25]
	want := []float64{math.Inf(-1), inside, inside, math.Inf(-1)}
	for i, got := range must(LogProbAt(Unit(), x, 1.25, 0)) {
		if got != want[i] && !(math.Abs(got-want[i]) < 1e-12) {
			t.Errorf("log density at %g is %g, want %g", x.At(i, 0), got, want[i])
		}
	}
	score := must(ScoreAt(Unit(), x, 1.25, 0))
	if score.At(1, 0) != 0 || score.At(2, 0) != 0 {
		t.Errorf("score inside the box %v, want 0", score)
	}
}

// TestUniformCDFIsIntegral integrates the density numerically, also on narrow intervals (CF4 at large times).
func TestUniformCDFIsIntegral(t *testing.T) {
	u := must(NewUniform([]float64{-1}, []float64{2}, 0.1))
	for _, k := range [][2]float64{{1, 0.1}, {0.4, 0.9}, {0.0066, 1}} {
		noised := u.Noised(k[0], k[1])
		centre, std := noised.Mean()[0], math.Sqrt(noised.Cov().At(0, 0))
		const nodes = 4000
		x := mat.NewDense(nodes, 1, nil)
		h := 16 * std / nodes
		for i := range nodes {
			x.Set(i, 0, centre-8*std+h*(float64(i)+0.5))
		}
		density := must(LogProbAt(u, x, k[0], k[1]))
		cdf := must(CDFAt(u, x, k[0], k[1]))
		total := 0.0
		for i := range nodes {
			p := math.Exp(density[i]) * h
			if got, want := cdf.At(i, 0), total+p/2; math.Abs(got-want) > 1e-5 {
				t.Fatalf("alpha %g: cdf at %g is %g, want %g", k[0], x.At(i, 0), got, want)
			}
			total += p
		}
		if math.Abs(total-1) > 1e-7 {
			t.Errorf("alpha %g: mass %.9f, want 1", k[0], total)
		}
	}
}

// TestNarrowCDF has a box so narrow that its law is normal up to the square of the width.
func TestNarrowCDF(t *testing.T) {
	const width = 1e-9
	var xs, want []float64
	for z := -6.0; z <= 6; z += 0.5 {
		xs, want = append(xs, z+width/2), append(want, bigPhi(z))
	}
	wantClose(t, "CDF", flat(must(CDFAt(Unit(), mat.NewDense(len(xs), 1, xs), width, 1))), want, 1e-14)
}

func TestErfcxSeries(t *testing.T) {
	for z := 0.0; z < 24; z += 0.37 {
		s := 2*2/(2+z) - 1
		next, after := 0.0, 0.0
		series := erfcxSeries()
		for k := len(series) - 1; k >= 1; k-- {
			next, after = 2*s*next-after+series[k], next
		}
		got := 2 / (2 + z) * math.Exp(s*next-after+series[0])
		if want := math.Erfc(z) * math.Exp(z*z); math.Abs(got/want-1) > 1e-12*(1+z) {
			t.Errorf("erfcx(%g) = %.16g, want %.16g", z, got, want)
		}
	}
	if last := erfcxSeries()[len(erfcxSeries())-1]; math.Abs(last) > 1e-15 {
		t.Errorf("the series stops at a coefficient %g", last)
	}
}

// TestUniformDerivativesAtSeams: where two forms of the law meet, at the centre, at h = 1 and at ch = 1, derivatives in x
// and sigma are those of differences.
func TestUniformDerivativesAtSeams(t *testing.T) {
	for _, at := range [][2]float64{{0.5, 0.1}, {0.5, 0.5}, {0.2, 0.5}, {1.5, 0.5}, {1, 0.5}, {1.28125, 0.625}} {
		x, sigma := mat.NewDense(1, 1, at[:1]), at[1:]
		sum := func(fn func(x, a, s *Node) *Node, in int) func(x, a, s *Node) *Node {
			return func(x, a, s *Node) *Node { return Gradient(ReduceAllSum(fn(x, a, s)), []*Node{x, a, s}[in])[0] }
		}
		const h = 1e-5
		for name, fn := range map[string]func(x, a, s *Node) *Node{"LogProb": Unit().LogProb, "Score": Unit().Score, "CDF": Unit().CDF} {
			value := func(x, sigma float64) float64 {
				return run(t, fn, mat.NewDense(1, 1, []float64{x}), []float64{1}, []float64{sigma})[0]
			}
			inX := (value(at[0]+h, at[1]) - value(at[0]-h, at[1])) / (2 * h)
			inSigma := (value(at[0], at[1]+h) - value(at[0], at[1]-h)) / (2 * h)
			wantClose(t, name+" in x", run(t, sum(fn, 0), x, []float64{1}, sigma), []float64{inX}, 1e-7)
			wantClose(t, name+" in sigma", run(t, sum(fn, 2), x, []float64{1}, sigma), []float64{inSigma}, 1e-7)
		}
	}
}
