package likelihood

import (
	"context"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/integrate/quad"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// blurred is E[-log p_t(alpha x_0 + sigma z)] of each row of x0 [n, 2] in the plane, by Gauss-Hermite quadrature over z.
func blurred(t *testing.T, law dist.Law, x0 *mat.Dense, alpha, sigma float64, points int) []float64 {
	t.Helper()
	at, weight := make([]float64, points), make([]float64, points)
	quad.Hermite{}.FixedLocations(at, weight, math.Inf(-1), math.Inf(1))
	n, _ := x0.Dims()
	out, x := make([]float64, n), mat.NewDense(n, 2, nil)
	for a := range at {
		for b := range at {
			for i := range n {
				x.Set(i, 0, alpha*x0.At(i, 0)+sigma*math.Sqrt2*at[a])
				x.Set(i, 1, alpha*x0.At(i, 1)+sigma*math.Sqrt2*at[b])
			}
			logProb := must(dist.LogProbAt(law, x, alpha, sigma))
			floats.AddScaled(out, -weight[a]*weight[b]/math.Pi, logProb)
		}
	}
	return out
}

func newBound(t *testing.T, b compute.Backend, f score.Func, s sde.SDE) *Bound {
	t.Helper()
	bound, err := NewBound(b, f, s, 2)
	if err != nil {
		t.Fatal(err)
	}
	return bound
}

// compare checks that the mean of got less want is mean within five standard errors, which must be below limit.
func compare(t *testing.T, what string, got, want []float64, mean, limit float64) {
	t.Helper()
	off, std := stat.MeanStdDev(floats.SubTo(make([]float64, len(got)), got, want), nil)
	stderr := stat.StdErr(std, float64(len(got)))
	t.Logf("%s: %.5f +- %.5f, want %.5f", what, off, stderr, mean)
	if !(math.Abs(off-mean) <= 5*stderr+1e-4 && stderr < limit) {
		t.Errorf("%s: %.5f +- %.5f, want %.5f with a standard error < %g", what, off, stderr, mean, limit)
	}
}

// priorGap is KL(p_T || prior), from the exact density at T on samples of it.
func priorGap(s sde.SDE) float64 {
	alpha, sigma := sde.At(s, s.Span().T)
	x := law.Noised(alpha, sigma).Sample(rand.New(rand.NewPCG(9, 9)), 400000)
	gap, prior := must(dist.LogProbAt(law, x, alpha, sigma)), gaussian{make([]float64, 2), s.PriorStd() * s.PriorStd()}
	for i := range gap {
		gap[i] -= prior.mean(x.RawRowView(i), 1, 0)
	}
	return stat.Mean(gap, nil)
}

// TestBoundIsTight: with the exact score and p_T the bound is E[-log p_Eps(x_Eps) | x_0] on average over x_0; with the
// prior it exceeds the entropy by KL(p_T || prior). All laws of times give the same, which is shown on the Go engine, where
// none compiles; XLA has one process and one law.
func TestBoundIsTight(t *testing.T) {
	for _, s := range processes {
		mismatch := priorGap(s)
		_, preserving := s.(sde.VP)
		for name, b := range backendtest.All(t) {
			if name != "go" && !preserving {
				continue
			}
			const n = 20000
			bound := newBound(t, b, score.Exact(law, s).Score(), s)
			x0 := law.Sample(rand.New(rand.NewPCG(6, 1)), n)
			alpha, sigma := sde.At(s, s.Span().Eps)
			want := blurred(t, law, x0, alpha, sigma, 3)
			for _, times := range []objective.TimeSampler{objective.Importance{}, objective.Stratified{}, objective.Uniform{}} {
				usual := times == objective.Importance{}
				if !usual && (name != "go" || !preserving) {
					continue
				}
				limit, x0, want := 0.01, x0, want
				if !usual {
					limit, x0, want = 0.1, x0.Slice(0, 1000, 0, 2).(*mat.Dense), want[:1000]
				}
				what := name + " " + s.String() + " " + times.String()
				r, err := bound.Estimate(context.Background(), x0, BoundSettings{Draws: 24, Time: times, Seed: 3})
				if err != nil {
					t.Fatal(err)
				}
				exact := must(r.With(law.Noised(sde.At(s, s.Span().T))))
				compare(t, what+", p_T", exact, want, 0, limit)
				compare(t, what+", prior less p_T", r.Values, exact, mismatch, 0.01)
				var square, claimed float64 // errors of rows and what their standard errors, which are too large, say
				for i := range want {
					square, claimed = square+math.Pow(exact[i]-want[i], 2), claimed+r.Stderr[i]*r.Stderr[i]
				}
				if part := math.Sqrt(square / claimed); !(part > 0.5 && part < 1.1) {
					t.Errorf("%s: errors of rows are %.3g of their standard errors", what, part)
				}
			}
		}
	}
}

// fisherGap is 1/2 int g^2 E|f - score|^2 dt by the trapezoid rule over ln(Sigma/Alpha), whose derivative is
// g^2/(2 Sigma^2), and its standard error.
func fisherGap(t *testing.T, b compute.Backend, f score.Func, s sde.SDE, n int) score.Mean {
	t.Helper()
	const points = 65
	span, ts := s.Span(), make([]float64, points)
	for k := range ts {
		ts[k] = span.Eps * math.Pow(span.T/span.Eps, float64(k)/(points-1))
		if _, exploding := s.(sde.VE); exploding { // whose ln Sigma is linear in t
			ts[k] = span.Eps + (span.T-span.Eps)*float64(k)/(points-1)
		}
	}
	ts[points-1] = span.T
	table, errs := must(sde.Table(s, ts)), must(score.Exact(law, s).Fisher(b, f, ts, n, 8))
	level := func(k int) float64 { k = min(max(k, 0), points-1); return math.Log(table.Sigma[k] / table.Alpha[k]) }
	var sum, square float64
	for k, p := range errs {
		width := (level(k+1) - level(k-1)) / 2
		sum, square = sum+width*p.Error, square+math.Pow(width*p.Stderr, 2)
	}
	return score.Mean{Value: sum, Stderr: math.Sqrt(square)}
}

// shifted is a law close to that of the data.
var shifted = must(dist.NewIsotropicMixture(nil, mat.NewDense(4, 2, []float64{1.1, 0, 0, 0.9, -1, 0.2, 0, -1}), []float64{0.2, 0.2, 0.2, 0.2}))

// TestBoundOffTheData: the bound is tight at every single x_0 for the score of a law that is not that of the data.
func TestBoundOffTheData(t *testing.T) {
	b, s := backend.Go(), processes[2]
	bound := newBound(t, b, score.Exact(shifted, s).Score(), s)
	alpha, sigma := sde.At(s, s.Span().Eps)
	for _, at := range [][]float64{{0, 0}, {1.3, -0.4}, {-1, 0}} {
		x0 := mat.NewDense(40, 2, nil)
		for i := range 40 { // equal rows, for a standard error of their mean; two others make the Gaussian model
			x0.SetRow(i, at)
		}
		x0.SetRow(38, []float64{1, 1})
		x0.SetRow(39, []float64{-1, -1})
		r, err := bound.Estimate(context.Background(), x0, BoundSettings{Draws: 2000, Seed: 5})
		if err != nil {
			t.Fatal(err)
		}
		got := must(r.With(shifted.Noised(sde.At(s, s.Span().T))))
		compare(t, fmt.Sprint(at), got[:38], blurred(t, shifted, x0, alpha, sigma, 7)[:38], 0, 0.2)
	}
}

// TestBoundGap: for a wrong score the bound exceeds that of the exact one by the weighted Fisher divergence (theorem 1).
// For the score of another law, whose SDE and probability-flow ODE have the same density, it is the likelihood of the ODE.
func TestBoundGap(t *testing.T) {
	const n = 10000
	b := backend.Go() // TestBoundIsTight is for both engines
	for k, s := range processes[:2] {
		x0 := law.Sample(rand.New(rand.NewPCG(6, 2)), n)
		alpha, sigma := sde.At(s, s.Span().Eps)
		entropy, set := blurred(t, law, x0, alpha, sigma, 3), BoundSettings{Draws: 16, Seed: 4}
		exact, err := newBound(t, b, score.Exact(law, s).Score(), s).Estimate(context.Background(), x0, set)
		if err != nil {
			t.Fatal(err)
		}
		name, f := "other means", score.Exact(shifted, s).Score()
		if k == 1 {
			name, f = "0.8 score", func(x, t *Node) *Node { return MulScalar(score.Exact(law, s).Score()(x, t), 0.8) }
		}
		r, err := newBound(t, b, f, s).Estimate(context.Background(), x0, set)
		if err != nil {
			t.Fatal(err)
		}
		gap := fisherGap(t, b, f, s, 2000)
		off := floats.SubTo(make([]float64, n), r.Values, exact.Values)
		mean, std := stat.MeanStdDev(off, nil)
		stderr := math.Hypot(stat.StdErr(std, n), gap.Stderr)
		if !(math.Abs(mean-gap.Value) <= 5*stderr && stderr < 0.015) {
			t.Errorf("%s, %s: the bound grows by %.4f +- %.4f, want %.4f", s, name, mean, stderr, gap.Value)
		}
		flow := must(New(b, f, s, 2))
		x := mat.NewDense(n/20, 2, nil)
		rng := rand.New(rand.NewPCG(6, 3))
		x.Apply(func(i, k int, _ float64) float64 { return alpha*x0.At(i, k) + sigma*rng.NormFloat64() }, x)
		density, err := flow.LogProb(context.Background(), x, Settings{})
		if err != nil {
			t.Fatal(err)
		}
		above := make([]float64, n/20)
		for i := range above { // of the same points, but for the noise up to Eps
			above[i] = r.Values[i] + density.LogProb[i]
		}
		t.Logf("%s, %s: entropy %.3f, ODE %.3f, bound %.3f +- %.3f: gap %.4f, by Fisher errors %.4f",
			s, name, stat.Mean(entropy, nil), -stat.Mean(density.LogProb, nil), r.Mean.Value, r.Mean.Stderr, mean, gap.Value)
		if over, spread := stat.MeanStdDev(above, nil); name == "other means" && !(math.Abs(over) < 5*stat.StdErr(spread, n/20)) {
			t.Errorf("%s, %s: the bound lies %.4f above the likelihood of the ODE", s, name, over)
		}
	}
}

// TestBoundOfGaussian: the model that is subtracted has a closed form for every row, so that its own bound has no noise
// beyond rounding. Neither the number of rows nor their order matters, and one row, which has no variance, is no exception.
func TestBoundOfGaussian(t *testing.T) {
	for name, b := range backendtest.All(t) {
		s := processes[1]
		x0 := law.Sample(rand.New(rand.NewPCG(6, 4)), 1500)
		g := moments(x0)
		normal := must(dist.NewIsotropicGaussian(g.centre, math.Sqrt(g.variance)))
		bound := newBound(t, b, score.Exact(normal, s).Score(), s)
		r, err := bound.Estimate(context.Background(), x0, BoundSettings{Draws: 16, DType: dtypes.Float64})
		if err != nil {
			t.Fatal(err)
		}
		alpha, sigma := sde.At(s, s.Span().Eps)
		exact, want := must(r.With(normal.Noised(sde.At(s, s.Span().T)))), blurred(t, normal, x0, alpha, sigma, 3)
		for i := range want {
			if !(math.Abs(exact[i]-want[i]) < 1e-9) {
				t.Fatalf("%s %s: row %d: %.12g, want %.12g", name, s, i, exact[i], want[i])
			}
		}
		one, err := bound.Estimate(context.Background(), x0.Slice(0, 1, 0, 2), BoundSettings{Draws: 2000, DType: dtypes.Float64})
		if err != nil {
			t.Fatal(err)
		}
		if !(math.Abs(one.Mean.Value-r.Values[0]) < 5*one.Mean.Stderr && one.Mean.Stderr > 0 && one.Mean.Stderr < 0.6) {
			t.Errorf("%s %s: one row has the bound %.4f +- %.4f, among others %.4f", name, s, one.Mean.Value, one.Mean.Stderr, r.Values[0])
		}
		if len(bound.execs) != 2 {
			t.Errorf("%s %s: %d executables for 2 numbers of draws", name, s, len(bound.execs))
		}
	}
}

// scaledGaussian are the negative log-likelihoods, in nats per coordinate, of data N(0, variance) at Eps under the reverse
// SDE and under the probability-flow ODE driven by c times their score, and the bound: all models are Gaussian, with
// variances P that follow dP/dt = 2 (f + c g^2/V) P - g^2 and dP/dt = (2 f + c g^2/V) P back from the prior.
func scaledGaussian(s sde.SDE, variance, c float64) (reverse, flow, bound float64) {
	const steps = 20000
	span, ts := s.Span(), make([]float64, 2*steps+1)
	for k := range ts {
		ts[k] = span.T * math.Pow(span.Eps/span.T, float64(k)/(2*steps))
	}
	table := must(sde.Table(s, ts))
	v := func(k int) float64 { return math.Pow(table.Alpha[k], 2)*variance + math.Pow(table.Sigma[k], 2) }
	slope := func(k int, p float64, reverse bool) float64 {
		g2 := math.Pow(table.Diffusion[k], 2)
		if reverse {
			return 2*(table.Drift[k]+c*g2/v(k))*p - g2
		}
		return (2*table.Drift[k] + c*g2/v(k)) * p
	}
	prior := s.PriorStd() * s.PriorStd()
	nll := func(reverse bool) float64 {
		p := prior
		for k := 0; k < 2*steps; k += 2 { // Runge and Kutta's method
			h := ts[k+2] - ts[k]
			a := slope(k, p, reverse)
			b := slope(k+1, p+h/2*a, reverse)
			d := slope(k+1, p+h/2*b, reverse)
			p += h / 6 * (a + 2*b + 2*d + slope(k+2, p+h*d, reverse))
		}
		return (math.Log(2*math.Pi*p) + v(2*steps)/p) / 2
	}
	fisher := 0.0 // int g^2/V dt
	for k := range 2 * steps {
		rate := func(k int) float64 { return math.Pow(table.Diffusion[k], 2) / v(k) }
		fisher += (rate(k) + rate(k+1)) / 2 * (ts[k] - ts[k+1])
	}
	kl := (v(0)/prior - 1 - math.Log(v(0)/prior)) / 2
	return nll(true), nll(false), math.Log(2*math.Pi*math.E*v(2*steps))/2 + kl + (1-c)*(1-c)*fisher/2
}

// TestBoundOfScaledGaussian: for a scaled Gaussian score everything is a closed form or an ODE in one variable. The estimate
// is that bound, which lies above the negative log-likelihood of the reverse SDE and below that of the flow: it is one on
// the SDE alone.
func TestBoundOfScaledGaussian(t *testing.T) {
	b, variance := backend.Go(), 0.25
	data := must(dist.NewIsotropicGaussian([]float64{0, 0}, 0.5))
	for _, s := range processes {
		reverse, flow, want := scaledGaussian(s, variance, 0.8)
		f := func(x, t *Node) *Node { return MulScalar(score.Exact(data, s).Score()(x, t), 0.8) }
		x0 := data.Sample(rand.New(rand.NewPCG(6, 6)), 4000)
		r, err := newBound(t, b, f, s).Estimate(context.Background(), x0, BoundSettings{Draws: 16, DType: dtypes.Float64})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: SDE %.4f, bound %.4f (%.4f +- %.4f), ODE %.4f nats per coordinate", s, reverse, want, r.Mean.Value/2, r.Mean.Stderr/2, flow)
		if !(math.Abs(r.Mean.Value-2*want) < 5*r.Mean.Stderr && r.Mean.Stderr < 0.03) {
			t.Errorf("%s: bound %.4f +- %.4f, want %.4f", s, r.Mean.Value, r.Mean.Stderr, 2*want)
		}
		if !(reverse < want && want < flow) {
			t.Errorf("%s: likelihood of the SDE %.4f, bound %.4f, likelihood of the ODE %.4f: want them to grow", s, reverse, want, flow)
		}
	}
}

// TestBoundRefuses: bad settings and scores are named.
func TestBoundRefuses(t *testing.T) {
	s, x := processes[1], mat.NewDense(2, 2, []float64{1, 0, 0, 1})
	bound := newBound(t, backend.Go(), score.Exact(law, s).Score(), s)
	ended, cancel := context.WithCancel(context.Background())
	cancel()
	estimate := func(b *Bound, set BoundSettings) error { return second(b.Estimate(context.Background(), x, set)) }
	for text, err := range map[string]error{
		"no score":           second(NewBound(backend.Go(), nil, s, 2)),
		"dimension 0":        second(NewBound(backend.Go(), score.Exact(law, s).Score(), s, 0)),
		"infinite":           second(NewBound(backend.Go(), score.Exact(law, s).Score(), sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{T: 1}}, 2)),
		"Draws = 1":          estimate(bound, BoundSettings{Draws: 1}),
		"want Uniform":       estimate(bound, BoundSettings{Time: objective.LogNormalSigma{Mean: -1.2, Std: 1.2}}),
		"want equal shapes":  estimate(newBound(t, backend.Go(), func(x, _ *Node) *Node { return ReduceAllSum(x) }, s), BoundSettings{}),
		"want finite number": estimate(newBound(t, backend.Go(), func(x, _ *Node) *Node { return MulScalar(x, 1e30) }, s), BoundSettings{}),
		"[1, 3]":             second(bound.Estimate(context.Background(), mat.NewDense(1, 3, nil), BoundSettings{})),
		"no data":            second(bound.Estimate(context.Background(), nil, BoundSettings{})),
	} {
		if err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if _, err := bound.Estimate(ended, x, BoundSettings{}); !errors.Is(err, context.Canceled) {
		t.Errorf("after the end of the context: %v", err)
	}
}
