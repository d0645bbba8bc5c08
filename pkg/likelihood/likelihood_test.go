package likelihood

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/ode"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

var (
	law       = dist.FourGaussians()
	processes = []sde.SDE{
		sde.VE{SigmaMin: 0.01, SigmaMax: 4}, sde.VP{BetaMin: 0.1, BetaMax: 20}, sde.SubVP{BetaMin: 0.1, BetaMax: 20},
	}
)

func newModel(t *testing.T, b compute.Backend, s sde.SDE) *Model {
	t.Helper()
	m, err := New(b, score.Exact(law, s).Score(), s, 2)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// TestCalibrated: CF10. With the exact score and the exact law at T, the likelihood is log p_eps at every point; with
// the Gaussian prior the mismatch at T is all that remains. On XLA one process stands for all: each compiles, and they differ
// in formulas that pkg/sde tests there.
func TestCalibrated(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for k, s := range processes {
			if backend.OnDevice(b) && k != 1 {
				continue
			}
			m := newModel(t, b, s)
			span := s.Span()
			alpha, sigma := sde.At(s, span.Eps)
			noised := law.Noised(alpha, sigma)
			x := noised.Sample(rand.New(rand.NewPCG(1, 2)), 50)
			want := must(dist.LogProbAt(law, x, alpha, sigma))
			end, wide := sde.At(s, span.T)
			for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
				r, err := m.LogProb(context.Background(), x, Settings{DType: dtype})
				if err != nil {
					t.Fatalf("%s %s: %v", name, s, err)
				}
				got := must(r.With(law.Noised(end, wide)))
				worst := floats.Distance(got, want, math.Inf(1))
				mean := math.Abs(stat.Mean(got, nil)-stat.Mean(want, nil)) / 2
				mismatch := math.Abs(stat.Mean(r.LogProb, nil) - stat.Mean(want, nil))
				t.Logf("%s %s %s: worst error %.2g, mean %.2g nats per dimension, prior mismatch %.2g, NFE %.0f", name, s, dtype, worst, mean, mismatch, r.ODE.NFE)
				if mean > 2e-3 || worst > 1e-2 {
					t.Errorf("%s %s %s: mean error %.2g nats per dimension, worst %.2g", name, s, dtype, mean, worst)
				}
			}
		}
	}
}

// TestRoundTrip: decoding an encoding gives the data back.
func TestRoundTrip(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for k, s := range processes {
			if backend.OnDevice(b) && k != 1 {
				continue // each process compiles
			}
			m := newModel(t, b, s)
			x := law.Sample(rand.New(rand.NewPCG(1, 3)), 200)
			z, _, err := m.Encode(context.Background(), x, Settings{})
			if err != nil {
				t.Fatal(err)
			}
			back, _, err := m.Decode(context.Background(), z, Settings{})
			if err != nil {
				t.Fatal(err)
			}
			back.Sub(back, x)
			if worst := math.Max(mat.Max(back), -mat.Min(back)); worst > 1e-3 {
				t.Errorf("%s %s: round trip is off by %.2g", name, s, worst)
			}
		}
	}
}

// quadratic has the divergence x_0 + 2 x_1 and no symmetric Jacobian.
func quadratic(x *Node) *Node {
	a, b := SliceAxis(x, 1, AxisElem(0)), SliceAxis(x, 1, AxisElem(1))
	return Concatenate([]*Node{Add(Mul(a, ConstAs(a, [][]float64{{0.5}})), Add(Mul(Mul(a, a), ConstAs(a, [][]float64{{0.5}})), Mul(b, ConstAs(a, [][]float64{{3}})))), Add(Mul(b, b), Mul(a, b))}, 1)
}

// TestDivergence: exact against the formula; Hutchinson's mean within five standard errors of it for both laws, with
// the variance that theory gives for Rademacher directions.
func TestDivergence(t *testing.T) {
	x := [][]float64{{0.3, -1.2}}
	want := 0.5 + 0.3 + 2*(-1.2) + 0.3
	for name, b := range backendtest.All(t) {
		got := MustExecOnce(b, func(x *Node) *Node { return exact(quadratic(x), x) }, x)
		if v := got.Value().([][]float64)[0][0]; math.Abs(v-want) > 1e-12 {
			t.Errorf("%s: divergence %g, want %g", name, v, want)
		}
	}
	const n = 20000
	for _, p := range []Probe{Rademacher, Gaussian} {
		v := p.draw(rand.New(rand.NewPCG(4, 4)), n, 1, 2)
		var sum []float64
		for i := range n { // J = [[.5+x0, 3], [x1, 2 x1 + x0]]
			a, c := v.At(i, 0), v.At(i, 1)
			sum = append(sum, a*a*(0.5+0.3)+c*c*(2*(-1.2)+0.3)+a*c*(3-1.2))
		}
		mean, std := stat.MeanStdDev(sum, nil)
		if math.Abs(mean-want) > 5*std/math.Sqrt(n) {
			t.Errorf("%s: mean %g, want %g", p, mean, want)
		}
	}
}

// TestHutchinson: the mean over probes of the log likelihood is within five standard errors of the exact one, and new
// seeds compile nothing. The exact one comes from the Go engine, where it does not compile.
func TestHutchinson(t *testing.T) {
	b := backend.MustOpen()
	s := processes[1]
	m := newModel(t, b, s)
	x := law.Sample(rand.New(rand.NewPCG(1, 5)), 20)
	exact := must(newModel(t, backend.Go(), s).LogProb(context.Background(), x, Settings{}))
	for _, p := range []Probe{Rademacher, Gaussian} {
		var gaps []float64
		for seed := range uint64(16) {
			r, err := m.LogProb(context.Background(), x, Settings{Probes: 4, Probe: p, Seed: seed})
			if err != nil {
				t.Fatal(err)
			}
			gaps = append(gaps, stat.Mean(r.Integral, nil)-stat.Mean(exact.Integral, nil))
		}
		mean, std := stat.MeanStdDev(gaps, nil)
		if math.Abs(mean) > 5*std/4 || std == 0 {
			t.Errorf("%s: bias %g with standard error %g", p, mean, std/4)
		}
	}
	for key, solver := range m.solvers {
		if solver.Builds() != 1 {
			t.Errorf("%s: %d builds", key, solver.Builds())
		}
	}
}

func TestUnits(t *testing.T) {
	if got := BitsPerDim(2*math.Ln2*3, 2); math.Abs(got-3) > 1e-12 {
		t.Errorf("bits per dimension %g, want 3", got)
	}
	for slope, want := range map[float64]float64{1: 8, 2: 7, 255: 8 - math.Log2(255)} {
		if got := must(DiscreteBitsPerDim(0, 3, 256, slope)); math.Abs(got-want) > 1e-12 {
			t.Errorf("slope %g adds %g bits, want %g", slope, got, want)
		}
	}
	if _, err := DiscreteBitsPerDim(0, 3, 256, 0); err == nil {
		t.Error("a slope of 0 was accepted")
	}
	// 8-bit data uniform over its 256 values takes 8 bits, exactly: its dequantised density is 1 on [0, 1].
	if got := must(DiscreteBitsPerDim(0, 1, 17, 1)); got != math.Log2(17) {
		t.Errorf("17 uniform levels take %g bits", got)
	}
	if _, err := DiscreteBitsPerDim(0, 3, 1, 1); err == nil {
		t.Error("one level was accepted")
	}
	if got := must(DiscreteBitsPerDim(0, 1, 256, 1)); got != 8 {
		t.Errorf("uniform bytes take %g bits", got)
	}
	u := must(Dequantise(rand.New(rand.NewPCG(1, 1)), mat.NewDense(1, 3, []float64{0, 17, 255}), 256))
	for k, low := range []float64{0, 17, 255} {
		if v := u.At(0, k) * 256; v < low || v >= low+1 {
			t.Errorf("value %g was dequantised to %g/256", low, v)
		}
	}
	for _, bad := range []float64{-1, 256, 0.5, math.NaN()} {
		if _, err := Dequantise(rand.New(rand.NewPCG(1, 1)), mat.NewDense(1, 1, []float64{bad}), 256); err == nil {
			t.Errorf("%g was dequantised", bad)
		}
	}
}

// TestPaths: ends are kept, a spherical path keeps the length and equal angles, and degenerate pairs are straight.
func TestPaths(t *testing.T) {
	a, b := []float64{3, 0, 0}, []float64{0, 0, 3}
	path := must(Spherical(a, b, 5))
	for i := range 5 {
		if n := mat.Norm(path.RowView(i), 2); math.Abs(n-3) > 1e-12 {
			t.Errorf("point %d has length %g", i, n)
		}
		if angle := math.Atan2(path.At(i, 2), path.At(i, 0)); math.Abs(angle-float64(i)*math.Pi/8) > 1e-12 {
			t.Errorf("point %d has angle %g", i, angle)
		}
	}
	uneven := must(Spherical([]float64{1, 0}, []float64{-4 * math.Cos(0.01), 4 * math.Sin(0.01)}, 3)) // nearly opposite
	if n := mat.Norm(uneven.RowView(1), 2); math.Abs(n-2.5) > 1e-9 {
		t.Errorf("between lengths 1 and 4 the middle has length %g", n)
	}
	straight := must(Linear(a, b, 3))
	if straight.At(1, 0) != 1.5 || straight.At(1, 2) != 1.5 {
		t.Errorf("middle %v", straight.RawRowView(1))
	}
	if p := must(Spherical(a, a, 3)); !mat.Equal(p, must(Linear(a, a, 3))) {
		t.Errorf("from a point to itself: %v", mat.Formatted(p))
	}
	for _, f := range []func(a, b []float64, n int) (*mat.Dense, error){Linear, Spherical} {
		if _, err := f(a, b[:2], 3); err == nil {
			t.Error("ends of different length were accepted")
		}
		if _, err := f(a, b, 1); err == nil {
			t.Error("a path of one point was accepted")
		}
		if _, err := f(nil, nil, 3); err == nil {
			t.Error("a path in no dimensions was accepted")
		}
	}
}

func TestRefuses(t *testing.T) {
	b := backend.Go()
	s := processes[0]
	m := newModel(t, b, s)
	x := mat.NewDense(1, 2, nil)
	big := must(New(b, score.Exact(must(dist.NewIsotropicMixture(nil, mat.NewDense(1, 100, nil), []float64{1})), s).Score(), s, 100))
	for text, err := range map[string]error{
		"Hutchinson":    second(big.LogProb(context.Background(), mat.NewDense(1, 100, nil), Settings{})),
		"tolerance":     second(m.LogProb(context.Background(), x, Settings{Control: ode.Control{Abs: -1, Rel: 1}})),
		"Probes = -1":   second(m.LogProb(context.Background(), x, Settings{Probes: -1})),
		"Probe = 7":     second(m.LogProb(context.Background(), x, Settings{Probe: 7})),
		"[1, 3]":        second(m.LogProb(context.Background(), mat.NewDense(1, 3, nil), Settings{})),
		"finite":        second(m.LogProb(context.Background(), mat.NewDense(1, 2, []float64{1, math.NaN()}), Settings{})),
		"no data":       second(m.LogProb(context.Background(), nil, Settings{})),
		"no score":      second(New(b, nil, s, 2)),
		"dimension 0":   second(New(b, score.Exact(law, s).Score(), s, 0)),
		"likelihood: s": second(New(b, score.Exact(law, s).Score(), nil, 2)),
	} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func second[T any](_ T, err error) error { return err }
