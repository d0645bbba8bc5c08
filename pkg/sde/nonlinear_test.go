package sde

import (
	"fmt"
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/integrate/quad"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

var wells = DoubleWell{Depth: 2, Noise: 2}

var wellTimes = Span{Eps: 0.02, T: 3}

func wellProcess(t *testing.T) Nonlinear {
	t.Helper()
	p, err := wells.Process(wellTimes)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// TestStepIsHeun compares a step with the scheme written on the host, on both engines and in both precisions, for times
// of the batch and of each example.
func TestStepIsHeun(t *testing.T) {
	p := Nonlinear{
		Name:  "pendulum",
		F:     func(x, t *Node) *Node { return Times(Exp(t), Sin(x)) },
		G:     func(t *Node) *Node { return shifted(t, 1) },
		Times: wellTimes,
	}
	xs, zs := [][]float64{{0.3, -2}, {1.1, 4}}, [][]float64{{0.5, -1}, {2, 0.1}}
	host := func(x, z, t, dt float64) float64 {
		f := func(x, t float64) float64 { return math.Sin(x) * math.Exp(t) }
		w := z * math.Sqrt(dt*(math.Pow(1+t, 2)+math.Pow(1+t+dt, 2))/2)
		y := x + f(x, t)*dt + w
		return x + (f(x, t)+f(y, t+dt))*dt/2 + w
	}
	for name, b := range backendtest.All(t) {
		for _, times := range [][2][]float64{{{0.4, 0.7}, {0.1, 0.05}}, {{0.4}, {0.1}}} {
			double := MustNewExec(b, p.Step).MustCall(xs, times[0], times[1], zs)[0].Value().([][]float64)
			single := MustNewExec(b, p.Step).MustCall(narrow(xs), float32s(times[0]), float32s(times[1]), narrow(zs))[0].Value().([][]float32)
			for i := range xs {
				for k := range xs[i] {
					at := min(i, len(times[0])-1)
					want := host(xs[i][k], zs[i][k], times[0][at], times[1][at])
					if relative(double[i][k], want) > 1e-13 || relative(float64(single[i][k]), want) > 2e-6 {
						t.Errorf("%s: step of %g is %g, in float32 %g, want %g", name, xs[i][k], double[i][k], single[i][k], want)
					}
				}
			}
		}
	}
}

func narrow(x [][]float64) [][]float32 {
	out := make([][]float32, len(x))
	for i := range x {
		out[i] = float32s(x[i])
	}
	return out
}

// TestStepOrderAffine: on an affine process the steps compose to a Gaussian, whose moments approach the kernel as the
// square of the step.
func TestStepOrderAffine(t *testing.T) {
	vp := VP{BetaMin: 0.1, BetaMax: 20}
	p := Affine(vp)
	exec := MustNewExec(backend.Go(), p.Step)
	alpha, sigma := At(vp, 1)
	var errors []float64
	for _, n := range []int{100, 200, 400} {
		ts, dt := make([]float64, 3*n), make([]float64, 3*n) // x, z = 0, 0 and 1, 0 and 0, 1 at each time
		x, z := make([][]float64, 3*n), make([][]float64, 3*n)
		for i := range 3 * n {
			ts[i], dt[i] = float64(i%n)/float64(n), 1/float64(n)
			x[i], z[i] = []float64{0}, []float64{0}
			switch i / n {
			case 1:
				x[i][0] = 1
			case 2:
				z[i][0] = 1
			}
		}
		next := exec.MustCall(x, ts, dt, z)[0].Value().([][]float64)
		mean, variance := 1.0, 0.0
		for i := range n {
			a, c := next[n+i][0], next[2*n+i][0]
			mean, variance = a*mean, a*a*variance+c*c
		}
		errors = append(errors, math.Abs(mean/alpha-1)+math.Abs(variance/(sigma*sigma)-1))
	}
	if order := math.Log2(errors[0]/errors[2]) / 2; math.Abs(order-2) > 0.2 {
		t.Errorf("weak order %.2f, want 2 (errors %.2g)", order, errors)
	}
}

// wellMoments propagates E[f(x_T) | x_0] for f = x and x^2 through n steps of the double well, by quadrature over the noise
// and cubic interpolation in x_0: no samples.
func wellMoments(t *testing.T, T float64, n int) (first, second func(x float64) float64) {
	t.Helper()
	const grid, nodes, end = 401, 17, 3.0
	z, w := make([]float64, nodes), make([]float64, nodes)
	quad.Hermite{}.FixedLocations(z, w, math.Inf(-1), math.Inf(1))
	xs := make([]float64, grid)
	var x, noise [][]float64
	for i := range xs {
		xs[i] = end * (2*float64(i)/(grid-1) - 1)
		for k := range z {
			x, noise = append(x, []float64{xs[i]}), append(noise, []float64{math.Sqrt2 * z[k]})
		}
	}
	// at gives the first of four points around x and their weights.
	at := func(x float64) (first int, weight [4]float64) {
		s := (min(max(x, -end), end) + end) / (xs[1] - xs[0])
		first = min(max(int(s)-1, 0), grid-4)
		for i := range weight {
			weight[i] = 1
			for k := range weight {
				if k != i {
					weight[i] *= (s - float64(first+k)) / float64(i-k)
				}
			}
		}
		return first, weight
	}
	next := MustNewExec(backend.Go(), wellProcess(t).Step).MustCall(x, []float64{0}, []float64{T / float64(n)}, noise)[0].Value().([][]float64)
	value := func(u []float64, x float64) (sum float64) {
		first, weight := at(x)
		for i := range weight {
			sum += weight[i] * u[first+i]
		}
		return sum
	}
	propagate := func(f func(x float64) float64) func(x float64) float64 {
		u := make([]float64, grid)
		for i := range u {
			u[i] = f(xs[i])
		}
		for range n {
			v := make([]float64, grid)
			for i := range v {
				for k := range w {
					v[i] += w[k] / math.SqrtPi * value(u, next[i*nodes+k][0])
				}
			}
			u = v
		}
		return func(x float64) float64 { return value(u, x) }
	}
	return propagate(func(x float64) float64 { return x }), propagate(func(x float64) float64 { return x * x })
}

// TestStepOrderDoubleWell: at T = 3 the second moment is stationary to 1e-15 (even functions relax at 3.00 Noise^2 = 12), so that what
// differs from the integral of x^2 over the stationary law is the error of the steps, which falls as their square. The
// first moment decays at the spectral gap.
func TestStepOrderDoubleWell(t *testing.T) {
	density, _ := wells.Stationary()
	want := quad.Fixed(func(x float64) float64 { return x * x * density(x) }, -3, 3, 400, nil, 0)
	var errors []float64
	for _, n := range []int{200, 400} {
		_, second := wellMoments(t, 3, n)
		errors = append(errors, math.Abs(second(0.5)-want))
	}
	if order := math.Log2(errors[0] / errors[1]); math.Abs(order-2) > 0.3 {
		t.Errorf("weak order %.2f, want 2 (errors %.2g of %g)", order, errors, want)
	}
	t.Logf("error of E x^2 = %.4f in steps of 0.015 and 0.0075: %.2g", want, errors)
	late, _ := wellMoments(t, 2, 200)
	early, _ := wellMoments(t, 1, 100) // in steps of 0.01
	if rate, want := math.Log(early(0.5)/late(0.5)), 0.374*wells.Noise*wells.Noise; math.Abs(rate/want-1) > 0.01 {
		t.Errorf("the mean decays at %.4f, want %.4f", rate, want)
	}
}

// TestDoubleWell: density, distribution function, score and drift belong together.
func TestDoubleWell(t *testing.T) {
	for _, w := range []DoubleWell{wells, {Depth: 0.7, Noise: 1.3}} {
		p, err := w.Process(wellTimes)
		if err != nil {
			t.Fatal(err)
		}
		density, cdf := w.Stationary()
		if math.Abs(cdf(0)-0.5) > 1e-12 || math.Abs(cdf(9)-1) > 1e-12 || cdf(-9) != 0 {
			t.Errorf("%s: distribution function %g, %g, %g at -9, 0, 9", w, cdf(-9), cdf(0), cdf(9))
		}
		xs := []float64{-1.7, -1, -0.2, 0.6, 1.3}
		r := run(t, func(in []*Node) []*Node {
			x := Reshape(in[0], len(xs), 1)
			flat := func(y *Node) *Node { return Reshape(y, len(xs)) }
			return []*Node{flat(w.Score(x)), flat(p.Slope(x, in[0])), p.G(in[0])}
		}, xs)
		for i, x := range xs {
			const h = 1e-4
			potential := func(x float64) float64 { return w.Depth * math.Pow(x*x-1, 2) }
			score := (math.Log(density(x+h)) - math.Log(density(x-h))) / (2 * h)
			force := -(potential(x+h) - potential(x-h)) / (2 * h)
			mass := quad.Fixed(density, -4, x, 400, nil, 0)
			for what, v := range map[string][2]float64{
				"score": {r[0][i], score}, "F": {r[1][i], force}, "G": {r[2][i], w.Noise}, "distribution function": {cdf(x), mass},
				"density": {math.Log(density(x) / density(0)), -2 * (potential(x) - potential(0)) / (w.Noise * w.Noise)},
			} {
				if math.Abs(v[0]-v[1]) > 1e-6 {
					t.Errorf("%s: %s at %g is %g, want %g", w, what, x, v[0], v[1])
				}
			}
		}
	}
}

func TestNonlinearRefuses(t *testing.T) {
	p := wellProcess(t)
	nameless, still, timeless := p, p, p
	nameless.Name, still.G, timeless.Times = "", nil, Span{}
	for says, p := range map[string]Nonlinear{"Name is empty": nameless, "F and G": still, "0 <= Eps < T": timeless} {
		if err := p.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
	for _, w := range []DoubleWell{{}, {Depth: -1, Noise: 1}, {Depth: 1, Noise: math.Inf(1)}, {Depth: math.NaN(), Noise: 1}} {
		if _, err := w.Process(wellTimes); err == nil || !strings.Contains(err.Error(), "Depth and Noise") {
			t.Errorf("%s: got %v", w, err)
		}
	}
	if _, err := wells.Process(Span{}); err == nil {
		t.Error("double well without times: want an error")
	}
	p.F = func(x, _ *Node) *Node { return SliceAxis(x, 1, AxisElem(0)) }
	exec := MustNewExec(backend.Go(), func(x, t *Node) *Node {
		defer backend.PanicWithError()
		return p.Step(x, t, t, x)
	})
	if _, err := exec.Call([][]float64{{1, 2}}, []float64{1}); err == nil || !strings.Contains(err.Error(), "want the same shape") {
		t.Errorf("narrow drift: got %v", err)
	}
	if got := fmt.Sprint(wellProcess(t)); got != "double well(depth 2, noise 2)" {
		t.Errorf("named %q", got)
	}
}
