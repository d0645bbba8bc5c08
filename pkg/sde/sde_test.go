package sde

import (
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/scoresde/scoresde/pkg/backend"
	"pgregory.net/rapid"
)

// run evaluates a graph of several vectors in the dtype of its inputs and returns float64.
func run[T float32 | float64](t testing.TB, fn func(in []*Node) []*Node, in ...[]T) [][]float64 {
	t.Helper()
	exec, err := NewExec(backend.Go(), fn)
	if err != nil {
		t.Fatal(err)
	}
	args := make([]any, len(in))
	for i := range in {
		args[i] = in[i]
	}
	results, err := exec.Call(args...)
	if err != nil {
		t.Fatal(err)
	}
	defer exec.Finalize()
	out := make([][]float64, len(results))
	for i, r := range results {
		for _, x := range r.Value().([]T) {
			out[i] = append(out[i], float64(x))
		}
	}
	return out
}

// grid is n+1 equidistant times on the span of s.
func grid(s SDE, n int) []float64 {
	span, ts := s.Span(), make([]float64, n+1)
	for i := range ts {
		ts[i] = span.Eps + (span.T-span.Eps)*float64(i)/float64(n)
	}
	return ts
}

func float32s(xs []float64) []float32 {
	out := make([]float32, len(xs))
	for i, x := range xs {
		out[i] = float32(x)
	}
	return out
}

// relative is |got - want| / |want|, or |got| where want is 0.
func relative(got, want float64) float64 {
	if want == 0 {
		return math.Abs(got)
	}
	return math.Abs(got-want) / math.Abs(want)
}

// fataler is what *testing.T and *rapid.T share.
type fataler interface {
	Helper()
	Fatalf(format string, args ...any)
}

// checkKernel requires m' = f m and v' = 2 f v + g^2 for m = Alpha, v = Sigma^2, the derivatives by autodiff.
func checkKernel(t fataler, tb testing.TB, s SDE, ts []float64) {
	t.Helper()
	r := run(tb, func(in []*Node) []*Node {
		x := in[0]
		m, v := s.Alpha(x), Square(s.Sigma(x))
		return []*Node{m, v, s.Drift(x), s.Diffusion(x), derivative(m, x), derivative(v, x)}
	}, ts)
	for i, at := range ts {
		m, v, f, g, dm, dv := r[0][i], r[1][i], r[2][i], r[3][i], r[4][i], r[5][i]
		if !(m > 0 && v > 0 && g >= 0) {
			t.Fatalf("%s at %g: alpha %g, variance %g, g %g", s, at, m, v, g)
		}
		if e := math.Abs(dm-f*m) / (1 + math.Abs(f)); !(e < 1e-10) {
			t.Fatalf("%s at %g: alpha' = %.15g, f alpha = %.15g", s, at, dm, f*m)
		}
		if e := math.Abs(dv-2*f*v-g*g) / (g*g + math.Abs(2*f*v)); !(e < 1e-10) {
			t.Fatalf("%s at %g: v' = %.15g, 2 f v + g^2 = %.15g", s, at, dv, 2*f*v+g*g)
		}
	}
}

func TestKernelIdentity(t *testing.T) {
	for _, s := range All() {
		checkKernel(t, t, s, grid(s, 200))
	}
}

// anyProcess draws a process of any kind with random parameters.
func anyProcess(r *rapid.T) SDE {
	low := rapid.Float64Range(0.001, 0.5).Draw(r, "low")
	high := low * (1 + rapid.Float64Range(0.5, 1000).Draw(r, "ratio"))
	times := Span{Eps: rapid.Float64Range(1e-5, 0.01).Draw(r, "eps"), T: rapid.Float64Range(0.3, 1).Draw(r, "T")}
	processes := []SDE{
		VE{SigmaMin: low, SigmaMax: high, Times: times},
		VE{SigmaMin: low, SigmaMax: high, CleanStart: true, Times: times},
		VETutorial{Base: 1 + high, Times: times},
		Brownian{Times: times},
		VP{BetaMin: low, BetaMax: min(high, 40), Times: times},
		SubVP{BetaMin: low, BetaMax: min(high, 40), Times: times},
		Cosine{Offset: low / 10, MaxRate: 10 + high, Times: times},
		OU{Rate: low * 10, Times: times},
		EDM{Times: times},
	}
	return rapid.SampledFrom(processes).Draw(r, "process")
}

func TestKernelIdentityAnyParameters(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		s := anyProcess(r)
		if err := Validate(s); err != nil {
			r.Fatalf("%v", err)
		}
		checkKernel(r, t, s, grid(s, 7))
		alpha, sigma := At(s, s.Span().T)
		if alpha <= 0 || sigma <= 0 {
			r.Fatalf("%s: alpha(T) %g, sigma(T) %g", s, alpha, sigma)
		}
	})
}

func TestClosedFormsEqualFromKernel(t *testing.T) {
	for _, s := range All() {
		auto := FromKernel("autodiff "+s.String(), s.Alpha, s.Sigma, s.Span(), s.PriorStd())
		ts := grid(s, 50)
		want, err := Table(s, ts)
		if err != nil {
			t.Fatal(err)
		}
		got, err := Table(auto, ts)
		if err != nil {
			t.Fatal(err)
		}
		for i, at := range ts {
			if e := math.Abs(got.Drift[i] - want.Drift[i]); e > 1e-10*(1+math.Abs(want.Drift[i])) {
				t.Errorf("%s at %g: drift %.15g, closed form %.15g", s, at, got.Drift[i], want.Drift[i])
			}
			if e := relative(got.Diffusion[i], want.Diffusion[i]); e > 1e-10 {
				t.Errorf("%s at %g: diffusion %.15g, closed form %.15g", s, at, got.Diffusion[i], want.Diffusion[i])
			}
		}
	}
}

// TestPublishedForms compares every process with its formula as the papers print it, written here on the host.
func TestPublishedForms(t *testing.T) {
	b := func(t float64) float64 { return 0.1 + 19.9*t }
	bigB := func(t float64) float64 { return 0.1*t + 9.95*t*t }
	ve := func(t float64) float64 { return 0.01 * math.Pow(5000, t) }
	abar := func(t float64) float64 {
		f := func(t float64) float64 { return math.Pow(math.Cos((t+0.008)/1.008*math.Pi/2), 2) }
		return f(t) / f(0)
	}
	zero, one := func(float64) float64 { return 0 }, func(float64) float64 { return 1 }
	rows := []struct {
		s                      SDE
		alpha, variance, f, g2 func(t float64) float64
		priorStd               float64
	}{
		{VE{SigmaMin: 0.01, SigmaMax: 50}, one, func(t float64) float64 { return ve(t) * ve(t) },
			zero, func(t float64) float64 { return 2 * math.Log(5000) * ve(t) * ve(t) }, 50},
		{VE{SigmaMin: 0.01, SigmaMax: 50, CleanStart: true}, one, func(t float64) float64 { return ve(t)*ve(t) - 1e-4 },
			zero, func(t float64) float64 { return 2 * math.Log(5000) * ve(t) * ve(t) }, math.Sqrt(2500 - 1e-4)},
		{VETutorial{Base: 25}, one, func(t float64) float64 { return (math.Pow(25, 2*t) - 1) / (2 * math.Log(25)) },
			zero, func(t float64) float64 { return math.Pow(25, 2*t) }, math.Sqrt(624 / (2 * math.Log(25)))},
		{VP{BetaMin: 0.1, BetaMax: 20}, func(t float64) float64 { return math.Exp(-bigB(t) / 2) },
			func(t float64) float64 { return 1 - math.Exp(-bigB(t)) }, func(t float64) float64 { return -b(t) / 2 }, b, 1},
		{SubVP{BetaMin: 0.1, BetaMax: 20}, func(t float64) float64 { return math.Exp(-bigB(t) / 2) },
			func(t float64) float64 { return math.Pow(1-math.Exp(-bigB(t)), 2) }, func(t float64) float64 { return -b(t) / 2 },
			func(t float64) float64 { return b(t) * (1 - math.Exp(-2*bigB(t))) }, 1},
		{OU1(), func(t float64) float64 { return math.Exp(-t) }, func(t float64) float64 { return 1 - math.Exp(-2*t) },
			func(float64) float64 { return -1 }, func(float64) float64 { return 2 }, 1},
		{OUHalf(), func(t float64) float64 { return math.Exp(-t / 2) }, func(t float64) float64 { return 1 - math.Exp(-t) },
			func(float64) float64 { return -0.5 }, one, 1},
		{Brownian{Times: Span{Eps: 0.01, T: 4}}, one, func(t float64) float64 { return t }, zero, one, 2},
		{EDM{}, one, func(t float64) float64 { return t * t }, zero, func(t float64) float64 { return 2 * t }, 80},
		{Cosine{Offset: 0.008, MaxRate: 100}, func(t float64) float64 { return math.Sqrt(abar(t)) },
			func(t float64) float64 { return 1 - abar(t) },
			func(t float64) float64 { return -math.Pi / 2 / 1.008 * math.Tan((t+0.008)/1.008*math.Pi/2) },
			func(t float64) float64 { return math.Pi / 1.008 * math.Tan((t+0.008)/1.008*math.Pi/2) }, 1},
	}
	for _, row := range rows {
		v, err := Table(row.s, []float64{0.05, 0.25, 0.5, 0.75, 0.9})
		if err != nil {
			t.Fatal(err)
		}
		for i, at := range v.T {
			for _, c := range []struct {
				name      string
				got, want float64
			}{
				{"alpha", v.Alpha[i], row.alpha(at)}, {"variance", v.Sigma[i] * v.Sigma[i], row.variance(at)},
				{"f", v.Drift[i], row.f(at)}, {"g^2", v.Diffusion[i] * v.Diffusion[i], row.g2(at)},
			} {
				if relative(c.got, c.want) > 1e-11 {
					t.Errorf("%s: %s(%g) = %.15g, want %.15g", row.s, c.name, at, c.got, c.want)
				}
			}
		}
		if relative(row.s.PriorStd(), row.priorStd) > 1e-12 {
			t.Errorf("%s: prior %g, want %g", row.s, row.s.PriorStd(), row.priorStd)
		}
	}
}

// TestCosineClip: past the clipping time the rate is constant and nothing jumps.
func TestCosineClip(t *testing.T) {
	p := Cosine{Offset: DefaultOffset, MaxRate: DefaultMaxRate}
	clip := p.clipTime()
	if clip < 0.97 || clip > 0.99 {
		t.Errorf("clipping time %g", clip)
	}
	v, err := Table(p, []float64{clip - 1e-9, clip + 1e-9, 1})
	if err != nil {
		t.Fatal(err)
	}
	if math.Abs(v.Alpha[0]-v.Alpha[1]) > 1e-8 || math.Abs(v.Sigma[0]-v.Sigma[1]) > 1e-8 {
		t.Errorf("kernel jumps at the clipping time: %v", v)
	}
	if g2 := v.Diffusion[2] * v.Diffusion[2]; relative(g2, 100) > 1e-12 || relative(v.Drift[2], -50) > 1e-12 {
		t.Errorf("clipped rate: g^2 %g, f %g, want 100, -50", g2, v.Drift[2])
	}
	if math.Abs(v.Alpha[2]-0.0115) > 5e-5 {
		t.Errorf("alpha(1) = %g, want 0.0115", v.Alpha[2])
	}
}
