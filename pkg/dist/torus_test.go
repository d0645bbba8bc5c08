package dist

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
)

// brute integrates over both angles of the surface by the trapezoidal rule, centred on the point nearest to x, which is
// exact to rounding once its nodes are closer than half of sigma.
func (t Torus) brute(x []float64, alpha, sigma float64) (logProb float64, surface [3]float64) {
	phi0, theta0, _ := t.Angles(mat.NewDense(1, 3, []float64{x[0] / alpha, x[1] / alpha, x[2] / alpha}))
	// The peaks of exp(cos) have the curvatures rho q/sigma^2 and D r/sigma^2.
	nodes := func(a, b float64) int { return max(64, int(2.5*2*math.Pi*math.Sqrt(a*b)*alpha/sigma)) }
	length := math.Sqrt(squared(x, make([]float64, 3), 1)) / alpha
	phis, thetas := nodes(max(length, t.major), t.major+t.minor), nodes(length+t.major, t.minor)
	cosPhi, sinPhi := make([]float64, phis), make([]float64, phis)
	for i := range phis {
		sinPhi[i], cosPhi[i] = math.Sincos(phi0[0] + 2*math.Pi*float64(i)/float64(phis))
	}
	near := t.Point(phi0[0], theta0[0])
	least := squared(x, near, alpha)
	mass := 0.0
	for j := range thetas {
		sin, cos := math.Sincos(theta0[0] + 2*math.Pi*float64(j)/float64(thetas))
		q := t.major + t.minor*cos
		ring := []float64{q * cosPhi[0], q * sinPhi[0], t.minor * sin} // the point of this ring that is nearest to x
		if (squared(x, ring, alpha)-least)/(2*sigma*sigma) > 80 {
			continue // below 1e-34 of the largest term each, and rounding begins at 1e-16
		}
		for i := range phis {
			p := []float64{q * cosPhi[i], q * sinPhi[i], t.minor * sin}
			w := q / t.major * math.Exp((least-squared(x, p, alpha))/(2*sigma*sigma))
			mass += w
			for k := range surface {
				surface[k] += w * p[k]
			}
		}
	}
	for k := range surface {
		surface[k] /= mass
	}
	logProb = math.Log(mass/float64(phis*thetas)) - least/(2*sigma*sigma) - 3*(halfLog2Pi+math.Log(sigma))
	return logProb, surface
}

func squared(x, p []float64, alpha float64) (sum float64) {
	for k := range x {
		sum += (x[k] - alpha*p[k]) * (x[k] - alpha*p[k])
	}
	return sum
}

// torusPoints are on, near and far from the surface, on its axis, on its core and in its hole.
func torusPoints(t Torus, alpha, sigma float64) *mat.Dense {
	rng := rand.New(rand.NewPCG(5, 6))
	x := t.Noised(alpha, sigma).Sample(rng, 6)
	var rows []float64
	rows = append(rows, flat(x)...)
	core := alpha * t.major
	rows = append(rows,
		0, 0, 0, 0, 0, alpha*t.minor+2*sigma, 0, 1e-9, -sigma, // the axis
		core, 0, 0, 0, -core, 1e-9, // the core
		alpha*(t.major-t.minor)-3*sigma, 0.1*sigma, sigma, // inwards
		core+3*sigma, -core, 5*sigma,
	)
	return mat.NewDense(len(rows)/3, 3, rows)
}

// TestTorusAgainstQuadrature: one integral by a Bessel function, the other on mapped nodes, against a sum over the surface.
func TestTorusAgainstQuadrature(t *testing.T) {
	for _, law := range []Torus{must(NewTorus(1, 0.4)), must(NewTorus(2, 0.1)), must(NewTorus(0.5, 0.45))} {
		for _, k := range [][2]float64{{1, 0.01}, {1, 0.05}, {0.7, 0.2}, {1, 1}, {0.1, 1}, {1, 80}} {
			alpha, sigma := k[0], k[1]
			x := torusPoints(law, alpha, sigma)
			n, _ := x.Dims()
			var logProb, denoised []float64
			for i := range n {
				l, p := law.brute(x.RawRowView(i), alpha, sigma)
				logProb, denoised = append(logProb, l), append(denoised, p[:]...)
			}
			what := fmt.Sprintf("%s, alpha %g, sigma %g: ", law, alpha, sigma)
			wantClose(t, what+"LogProb", must(LogProbAt(law, x, alpha, sigma)), logProb, 2e-13)
			wantClose(t, what+"Denoise", flat(must(DenoiseAt(law, x, alpha, sigma))), denoised, 1e-11)
		}
	}
}

// TestTorusNodes: on thicker and thicker tubes the rule keeps its accuracy, up to where the hole closes.
func TestTorusNodes(t *testing.T) {
	for _, c := range []struct{ minor, wide, narrow float64 }{{0.4, 1e-13, 1e-5}, {0.9, 2e-13, 1e-5}, {0.97, 1e-10, 1e-5}, {0.999, 1e-7, 1e-4}} {
		law := must(NewTorus(1, c.minor))
		for _, sigma := range []float64{0.03, 0.1, 0.3} {
			x := torusPoints(law, 1, sigma)
			narrow, rounded := toFloat32(x)
			n, _ := x.Dims()
			var want, wantRounded []float64
			for i := range n {
				l, _ := law.brute(x.RawRowView(i), 1, sigma)
				m, _ := law.brute(rounded.RawRowView(i), 1, float64(float32(sigma)))
				want, wantRounded = append(want, l), append(wantRounded, m)
			}
			wantClose(t, law.String(), must(LogProbAt(law, x, 1, sigma)), want, c.wide)
			out := must(CallOnce(backend.Go(), law.LogProb, narrow, []float32{1}, []float32{float32(sigma)}))
			wantClose(t, law.String()+" in float32", toFloat64(out.Value()), wantRounded, c.narrow)
		}
	}
}

// TestTorusFarNoise: under strong noise the law is the normal one with the same moments up to the fourth order in 1/sigma.
func TestTorusFarNoise(t *testing.T) {
	law := must(NewTorus(1, 0.4))
	const sigma = 80.0
	normal := must(NewGaussian(law.Mean(), law.Cov()))
	x := normal.Noised(1, sigma).Sample(rand.New(rand.NewPCG(1, 1)), 50)
	wantClose(t, "LogProb", must(LogProbAt(law, x, 1, sigma)), must(LogProbAt(normal, x, 1, sigma)), 1e-6)
	var gap mat.Dense
	gap.Sub(must(ScoreAt(law, x, 1, sigma)), must(ScoreAt(normal, x, 1, sigma)))
	if worst := mat.Norm(&gap, math.Inf(1)); !(worst*sigma < 1e-6) {
		t.Errorf("score is off by %g", worst)
	}
}

// TestTorusScoreAtSmallNoise: to first order in sigma the score is -distance/sigma^2 along the normal, plus the pull of the
// curvature, half of (1/r + cos theta/q).
func TestTorusScoreAtSmallNoise(t *testing.T) {
	law := must(NewTorus(1, 0.4))
	for _, sigma := range []float64{0.01, 0.002} {
		x := law.Noised(1, sigma).Sample(rand.New(rand.NewPCG(2, 2)), 200)
		score, normal := must(ScoreAt(law, x, 1, sigma)), must(law.Normal(x))
		distance := must(law.Distance(x))
		_, theta, _ := law.Angles(x)
		for i, d := range distance {
			s, n := mat.NewVecDense(3, score.RawRowView(i)), mat.NewVecDense(3, normal.RawRowView(i))
			along := mat.Dot(s, n)
			cos := math.Cos(theta[i])
			want := -d/(sigma*sigma) - 0.5*(1/0.4+cos/(1+0.4*cos))
			if !(math.Abs(along-want) < 60*sigma) { // the next order, for |d| <= 5 sigma
				t.Errorf("sigma %g: score along the normal is %g, want %g", sigma, along, want)
			}
			var across mat.VecDense
			across.AddScaledVec(s, -along, n)
			if !(mat.Norm(&across, 2) < 60*sigma) {
				t.Errorf("sigma %g: score across the normal is %g, want about 0", sigma, mat.Norm(&across, 2))
			}
		}
	}
}

// TestBessel compares the series with sums over the circle, exp(-w) I_n(w) = mean of exp(w (cos a - 1)) cos(n a).
func TestBessel(t *testing.T) {
	var w, zero, one []float64
	for v := 0.0; v < 2000; v = 1.3*v + 0.01 {
		const nodes = 1000
		sum, moment := 0.0, 0.0
		for j := range nodes {
			a := 2 * math.Pi * float64(j) / nodes
			e := math.Exp(-2*v*math.Sin(a/2)*math.Sin(a/2)) / nodes
			sum += e
			moment += e * math.Sin(a) * math.Sin(a) // I_1(w)/w is the mean of exp(w cos a) sin^2 a
		}
		w, zero, one = append(w, v), append(zero, 1), append(one, 1)
		out := must(CallOnceN(backend.Go(), func(x *Node) []*Node { a, b := besselPair(x); return []*Node{a, b} }, []float64{v}))
		got := [2]float64{toFloat64(out[0].Value())[0] / sum, toFloat64(out[1].Value())[0] / moment}
		zero[len(zero)-1], one[len(one)-1] = got[0], got[1]
	}
	for i := range w {
		if math.Abs(zero[i]-1) > 2e-14 || math.Abs(one[i]-1) > 2e-14 {
			t.Errorf("w = %g: quotients %.17g and %.17g, want 1", w[i], zero[i], one[i])
		}
	}
	for n, series := range besselSeries() {
		if last := series[len(series)-1]; math.Abs(last) > 3e-15*series[0] {
			t.Errorf("order %d: the series stops at a coefficient %g", n, last)
		}
	}
}
