package dist

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sde"
)

// lineLaw is a one-dimensional law and the standard deviation of the noise that it is smoothed with.
type lineLaw struct {
	Univariate
	smooth float64
}

// lineLaws are symmetric and not, with and without gaps.
func lineLaws() []lineLaw {
	return []lineLaw{
		{Unit(), 0}, {must(NewUniform([]float64{-1}, []float64{2}, 0.1)), 0.1}, {must(NewIsotropicGaussian([]float64{-0.4}, 0.7)), 0.7},
		{must(NewIsotropicMixture([]float64{0.3, 0.7}, mat.NewDense(2, 1, []float64{-1, 0.6}), []float64{0.2, 0.4})), 0.2},
		{must(NewMixture([]float64{0.5, 0.5}, mat.NewDense(2, 1, []float64{-3, 3}), []*mat.SymDense{
			mat.NewSymDense(1, []float64{0.01}), mat.NewSymDense(1, []float64{0.04})})), 0.1},
	}
}

// TestLogTailsAreIntegrals integrates the density beyond x, scaled by its size at x, out to 60 standard deviations of the
// noise, from narrow noise to noise that hides the law.
func TestLogTailsAreIntegrals(t *testing.T) {
	for _, l := range lineLaws() {
		for _, k := range [][2]float64{{1, 1e-4}, {1, 0.01}, {0.8, 0.3}, {0.01, 1}, {1, 100}, {1e-8, 1}} {
			law := l.Noised(k[0], k[1]).(Univariate)
			ends := must(QuantileAt(l, []float64{1e-3, 1 - 1e-3}, k[0], k[1]))
			scale := math.Hypot(k[0]*l.smooth, k[1])
			for _, z := range []float64{0, 0.5, 3, 10, 50} {
				for _, side := range []float64{-1, 1} {
					x := ends[0] - z*scale
					if side > 0 {
						x = ends[1] + z*scale
					}
					got := pick(side, law, x)
					if want := tailByQuadrature(law, x, side, scale); !(math.Abs(got-want) < 1e-10*(1+math.Abs(want))) {
						t.Errorf("%s: log tail %+g at %g is %.14g, want %.14g", law, side, x, got, want)
					}
				}
			}
		}
	}
}

// TestMills integrates exp(-zt - t^2/2) and t times it, whose terms are positive.
func TestMills(t *testing.T) {
	for z := 0.0; z < 80; z = 1.1*z + 0.05 {
		wantTail, want, width := 0.0, 0.0, 0.5/(1+z/4)
		for panel := range 200 {
			left := width * float64(panel)
			f := func(t float64) float64 { return math.Exp(-t * (z + t/2)) }
			wantTail += quad.Fixed(f, left, left+width, 20, quad.Legendre{}, 0)
			want += quad.Fixed(func(t float64) float64 { return t * f(t) }, left, left+width, 20, quad.Legendre{}, 0)
		}
		tail, integral := mills(z)
		if math.Abs(tail/wantTail-1) > 3e-14 || math.Abs(integral/want-1) > 3e-14 {
			t.Errorf("z = %g: %.16g and %.16g, want %.16g and %.16g", z, tail, integral, wantTail, want)
		}
	}
}

// pick is the tail on one side.
func pick(side float64, l Univariate, x float64) float64 {
	lower, upper := l.LogTails(x)
	if side < 0 {
		return lower
	}
	return upper
}

// tailByQuadrature is the log of the mass beyond x by Gauss-Legendre panels of half the noise, until nothing is added.
func tailByQuadrature(l Univariate, x, side, noise float64) float64 {
	const nodes, together = 20, 8 // panels of one call, which costs much more than its points
	offset, weight := make([]float64, nodes), make([]float64, nodes)
	quad.Legendre{}.FixedLocations(offset, weight, 0, noise/2)
	at := func(panel int) []float64 {
		points := mat.NewDense(together*nodes, 1, nil)
		for i := range together * nodes {
			points.Set(i, 0, x+side*(float64(panel+i/nodes)*noise/2+offset[i%nodes]))
		}
		return must(LogProbAt(l, points, 1, 0))
	}
	var logs, values []float64
	for panel := 0; ; panel++ {
		if panel%together == 0 {
			values = at(panel)
		}
		var part []float64
		for i, v := range values[panel%together*nodes:][:nodes] {
			part = append(part, v+math.Log(weight[i]))
		}
		logs = append(logs, part...)
		if total := floats.LogSumExp(logs); panel > 3 && floats.LogSumExp(part) < total-36 {
			return total
		}
	}
}

// TestQuantileInverts goes from p to x and back, in both tails.
func TestQuantileInverts(t *testing.T) {
	p := []float64{1e-300, 1e-20, 1e-5, 0.1, 0.25, 0.5, 0.75, 0.9, 1 - 1e-5, 1 - 1e-12}
	for _, l := range lineLaws() {
		for _, k := range [][2]float64{{1, 1e-4}, {1, 0.01}, {0.8, 0.3}, {0.01, 1}, {1, 100}} {
			law := l.Noised(k[0], k[1]).(Univariate)
			last := math.Inf(-1)
			for i, x := range must(QuantileAt(l, p, k[0], k[1])) {
				lower, upper := law.LogTails(x)
				// The rounding of x itself moves the tail by its hazard times |x| eps.
				slack := 1e-13 * (1 + math.Abs(x)/k[1]*(1+math.Sqrt(2*math.Abs(math.Log(p[i])))))
				if p[i] <= 0.5 && math.Abs(lower-math.Log(p[i])) > slack*(1+math.Abs(lower)) {
					t.Errorf("%s: quantile %g of %g has the lower tail %g", law, x, p[i], math.Exp(lower))
				}
				if p[i] > 0.5 && math.Abs(upper-math.Log1p(-p[i])) > slack*(1+math.Abs(upper)) {
					t.Errorf("%s: quantile %g of %g has the upper tail %g", law, x, p[i], math.Exp(upper))
				}
				if !(x > last) {
					t.Errorf("%s: quantiles do not increase at p = %g", law, p[i])
				}
				last = x
			}
		}
	}
	for i, x := range must(QuantileAt(Unit(), p, 2, 0)) {
		if math.Abs(x-2*p[i]) > 1e-15*(1+x) {
			t.Errorf("quantile %g of the uniform law on [0, 2] is %g", p[i], x)
		}
	}
	points := must(NewIsotropicMixture(nil, mat.NewDense(2, 1, []float64{-1, 2}), []float64{0, 0}))
	if x := must(QuantileAt(points, []float64{0.2, 0.8}, 1, 0)); math.Abs(x[0]+1) > 1e-15 || math.Abs(x[1]-2) > 1e-15 {
		t.Errorf("quantiles of two points are %v, want -1 and 2", x)
	}
}

// TestQuantilesOfGaussian has known values (Abramowitz and Stegun, table 26.5).
func TestQuantilesOfGaussian(t *testing.T) {
	law := must(NewIsotropicGaussian([]float64{2}, 3))
	got := must(QuantileAt(law, []float64{0.025, 0.5, 1 - 1e-5}, 1, 0))
	for i, z := range []float64{-1.959963984540054, 0, 4.264890793922602} {
		if math.Abs(got[i]-2-3*z) > 1e-10 {
			t.Errorf("quantile %.12g, want %.12g", got[i], 2+3*z)
		}
	}
}

// TestTailsMatchCDF holds the host's tails against the graph's distribution function.
func TestTailsMatchCDF(t *testing.T) {
	for _, sigma := range []float64{1e-4, 0.1, 3} {
		law := Unit().Noised(0.9, sigma).(Univariate)
		var xs, want []float64
		for v := -8.0; v <= 8; v += 0.37 {
			x := 0.45 + v*(0.45/8+sigma)
			lower, _ := law.LogTails(x)
			xs, want = append(xs, x), append(want, math.Exp(lower))
		}
		x := mat.NewDense(len(xs), 1, xs)
		wantClose(t, "CDF", flat(must(CDFAt(Unit(), x, 0.9, sigma))), want, 1e-14)
	}
}

// TestFlowMapOfGaussian is a closed form: x_t = alpha m + sqrt(alpha^2 s^2 + sigma^2)/s (x_0 - m).
func TestFlowMapOfGaussian(t *testing.T) {
	const mean, std = 0.7, 0.3
	law := must(NewIsotropicGaussian([]float64{mean}, std))
	for _, s := range sde.All() {
		span := s.Span()
		a0, s0 := sde.At(s, span.Eps)
		a1, s1 := sde.At(s, span.T)
		var x, want []float64
		for z := -45.0; z <= 45; z += 1.8 {
			x = append(x, a1*mean+math.Hypot(a1*std, s1)*z)
			want = append(want, a0*mean+math.Hypot(a0*std, s0)*z)
		}
		wantClose(t, s.String(), must(FlowMap(law, s, x, span.T, span.Eps)), want, 1e-12)
	}
}

func TestQuantileRefuses(t *testing.T) {
	_, outside := FlowMap(Unit(), sde.EDM{}, []float64{0.5, 1.5}, 0, 1)
	_, bad := FlowMap(Unit(), sde.EDM{}, []float64{math.NaN()}, 1, 0.5)
	_, none := FlowMap(Unit(), nil, []float64{0.5}, 1, 0.5)
	_, plane := QuantileAt(FourGaussians(), []float64{0.5}, 1, 1)
	_, kernel := QuantileAt(Unit(), []float64{0.5}, 0, 1)
	_, one := QuantileAt(Unit(), []float64{0.5, 1}, 1, 1)
	for says, err := range map[string]error{
		"point 1, 1.5": outside, "point 0 is NaN": bad, "process": none, "one-dimensional": plane, "alpha = 0": kernel, "probability 1 is 1": one,
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}

// TestUnitTailsInFloat32 covers CF3 for noise from 1e-4 to 100 out to 50 standard deviations beyond the edges: rounding
// of x and of the edges by |x| eps may move z = x/sigma, and with it sigma Score by as much and LogProb by z times that.
func TestUnitTailsInFloat32(t *testing.T) {
	for sigma := 1e-4; sigma < 200; sigma *= 10 {
		s := float64(float32(sigma))
		var xs []float64
		for _, z := range []float64{0, 0.1, 1, 5, 10, 14, 20, 35, 50} {
			xs = append(xs, -z*s, 1+z*s)
		}
		narrow, x := toFloat32(mat.NewDense(len(xs), 1, xs))
		call := func(fn func(x, a, s *graph.Node) *graph.Node) []float64 {
			return toFloat64(must(graph.CallOnce(backend.Go(), fn, narrow, []float32{1}, []float32{float32(s)})).Value())
		}
		score, wantScore := call(Unit().Score), flat(must(ScoreAt(Unit(), x, 1, s)))
		for i := range score {
			score[i], wantScore[i] = s*score[i], s*wantScore[i]
		}
		slack := 4 * eps32 * (8 + 1/s)
		what := fmt.Sprintf("sigma %g: ", sigma)
		wantClose(t, what+"sigma Score", score, wantScore, slack)
		wantClose(t, what+"LogProb", call(Unit().LogProb), must(LogProbAt(Unit(), x, 1, s)), 4*slack)
		wantClose(t, what+"CDF", call(Unit().CDF), flat(must(CDFAt(Unit(), x, 1, s))), slack)
		// The way from x to the box is much longer than the box where this loses digits.
		wantClose(t, what+"Denoise", call(Unit().Denoise), flat(must(DenoiseAt(Unit(), x, 1, s))), eps32*50*50)
	}
}
