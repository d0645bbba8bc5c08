package sampler

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/metric"
	"github.com/scoresde/scoresde/pkg/ode"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// equal is a Tolerance with equal absolute and relative tolerance.
func equal(tol float64) Tolerance { return Tolerance{Abs: tol, Rel: tol} }

// adapt fails the test on any error.
func adapt(t *testing.T, s *Sampler, tol Tolerance, set Settings) *AdaptiveResult {
	t.Helper()
	r, err := s.Adaptive(context.Background(), tol, set)
	if err != nil {
		t.Fatalf("%s, %+v: %v", s.problem.SDE, tol, err)
	}
	return r
}

// rejections is the share of tries that were rejected.
func (r *AdaptiveResult) rejections() float64 {
	taken, vain := 0, 0
	for i := range r.Accepted {
		taken, vain = taken+r.Accepted[i], vain+r.Rejected[i]
	}
	return float64(vain) / float64(taken+vain)
}

// checkFour compares adaptive samples of one process, started from p_T, to the law of the four Gaussians at Eps: the mean
// log density to the entropy within five standard errors and bias nats, and weight and standard deviation of each mode
// within five standard errors and bias/2 of the latter.
func checkFour(t *testing.T, b compute.Backend, s sde.SDE, n int, tol, bias float64) {
	t.Helper()
	law := dist.FourGaussians()
	what := fmt.Sprintf("%s on %s", s, b.Name())
	lab := must(New(b, Problem{SDE: s, Score: score.Exact(law, s).Score(), N: n, Shape: []int{2}}))
	start := law.Noised(sde.At(s, s.Span().T)).Sample(source(3), n)
	r := adapt(t, lab, equal(tol), Settings{Seed: 5, Init: Tensor(start, dtypes.Float32)})

	alpha, sigma := sde.At(s, s.Span().Eps)
	end := law.Noised(alpha, sigma)
	entropy, se0 := average(must(dist.LogProbAt(law, end.Sample(source(4), 50_000), alpha, sigma)))
	mean, se := average(must(dist.LogProbAt(law, r.Samples(), alpha, sigma)))
	closeTo(t, what+": mean log density", mean, entropy, 5*math.Hypot(se, se0)+bias)

	var centres mat.Dense
	centres.Scale(alpha, law.Means())
	exact := must(metric.ModeStats(end.Sample(source(6), 50_000), &centres))
	for k, m := range must(metric.ModeStats(r.Samples(), &centres)) {
		closeTo(t, fmt.Sprintf("%s: weight of mode %d", what, k), m.Weight, 0.25, 5*m.WeightSE)
		closeTo(t, fmt.Sprintf("%s: std of mode %d", what, k), m.Std, exact[k].Std, 5*math.Hypot(m.StdSE, exact[k].StdSE)+bias/2*exact[k].Std)
	}
}

// TestAdaptiveOnEverySDE: with the exact score and a tight tolerance the samples of every process have the right law.
func TestAdaptiveOnEverySDE(t *testing.T) {
	for _, s := range sde.All() {
		checkFour(t, backend.Go(), s, 500, 1e-2, 0.04)
	}
}

// TestAdaptiveOnEverySDEOnDevice is the same on XLA with more samples and a tighter tolerance, on a few: compiling takes
// longest there, and the steps are built alike for all.
func TestAdaptiveOnEverySDEOnDevice(t *testing.T) {
	b := xla(t)
	for i, s := range sde.All() {
		if i%5 != 0 {
			continue
		}
		checkFour(t, b, s, 6000, 5e-3, 0.03)
	}
}

// TestAdaptiveBias: on a Gaussian the variance comes out too small by an amount that falls with the tolerance, in both
// float types, and the cost rises.
func TestAdaptiveBias(t *testing.T) {
	for name, b := range backendtest.All(t) {
		data := newTarget(8, 0.3)
		p := data.problem(vp, 2000)
		if name == "go" {
			p.DType, p.N = dtypes.Float64, 1000
		}
		lab := must(New(b, p))
		ends := levels(vp, []float64{vp.Span().T, vp.Span().Eps})
		start := data.law().Noised(ends[0].alpha, ends[0].sigma).Sample(source(3), p.N)
		var deficits, costs []float64
		for _, tol := range []float64{0.3, 0.06, 0.01} {
			r := adapt(t, lab, equal(tol), Settings{Seed: 1, Init: Tensor(start, p.dtype())})
			var squares []float64
			for i := range p.N {
				for k, v := range r.Samples().RawRowView(i) {
					squares = append(squares, math.Pow(v-ends[1].alpha*data.mean[k], 2)/ends[1].v(data.std))
				}
			}
			variance, se := average(squares)
			deficits, costs = append(deficits, 1-variance), append(costs, r.NFE)
			if tol == 0.01 && math.Abs(1-variance) > 5*se+0.02 {
				t.Errorf("%s: variance %.4f +- %.4f of the exact one at tolerance %g", name, variance, se, tol)
			}
		}
		if !(deficits[0] > 2*deficits[1] && deficits[1] > 2*deficits[2]) || !slices.IsSorted(costs) {
			t.Errorf("%s: deficits of variance %.4f at costs %.1f, want falling and rising numbers", name, deficits, costs)
		}
	}
}

// TestAdaptiveNoise: the noise used is a Brownian motion, whatever was rejected. The score -x delta is far too small to
// move anything, but the tolerance as small, so that a step is rejected where its noise is large. Drawing
// anew after a rejection gives a variance of 0.3 to 0.4 in place of 1.
func TestAdaptiveNoise(t *testing.T) {
	for name, b := range backendtest.All(t) {
		n := map[string]int{"go": 4000, "xla": 10_000}[name]
		for _, c := range []struct {
			s     sde.SDE
			steps float64 // about as many
			dtype dtypes.DType
		}{{sde.Brownian{}, 10, dtypes.Float32}, {sde.VE{SigmaMin: 0.01, SigmaMax: 50}, 150, dtypes.Float32}, {vp, 20, dtypes.Float64}} {
			ends := levels(c.s, []float64{c.s.Span().T, c.s.Span().Eps})
			clock := func(l level) float64 { return math.Pow(l.sigma/l.alpha, 2) }
			v := clock(ends[0]) - clock(ends[1])
			delta := 1e-6 / v
			p := Problem{SDE: c.s, N: n, Shape: []int{1}, DType: c.dtype, Score: func(x, tm *Node) *Node {
				return MulScalar(Div(x, Square(like(c.s.Alpha(tm), x))), -delta) // -delta y/Alpha
			}}
			tol := Tolerance{Abs: ends[0].alpha * delta / 2 * math.Pow(v/c.steps, 1.5), Rel: 1e-30}
			r := adapt(t, must(New(b, p)), tol, Settings{Seed: 2, Init: Tensor(mat.NewDense(n, 1, nil), c.dtype)})
			what := fmt.Sprintf("%s on %s", c.s, name)
			if share := r.rejections(); !(share > 0.15) {
				t.Errorf("%s: only %.2f of the tries were rejected", what, share)
			}
			used, squares := flat(r.X), make([]float64, n)
			for i := range used {
				used[i] /= ends[1].alpha * math.Sqrt(v)
				squares[i] = used[i] * used[i]
			}
			variance, se := average(squares)
			closeTo(t, what+": variance of the noise used", variance, 1, 5*se)
			if _, p, err := metric.KS(used, distuv.UnitNormal.CDF); err != nil || p < 1e-3 {
				t.Errorf("%s: the noise used is normal with probability %g, %v", what, p, err)
			}
			t.Logf("%s: variance %.4f +- %.4f, NFE %.1f, %.2f rejected", what, variance, se, r.NFE, r.rejections())
		}
	}
}

// TestAdaptiveSeeds: equal seeds give equal bits, others other samples; nothing but the first run builds or traces; and
// the costs reported are those of the steps.
func TestAdaptiveSeeds(t *testing.T) {
	for name, b := range backendtest.All(t) {
		traced := 0
		p := newTarget(3, 0.3).problem(vp, 50)
		exact := p.Score
		p.Score = func(x, tm *Node) *Node { traced++; return exact(x, tm) }
		lab := must(New(b, p))
		first := adapt(t, lab, equal(0.1), Settings{Seed: 1})
		before := traced
		other := adapt(t, lab, equal(0.1), Settings{Seed: -1})
		tight := adapt(t, lab, Tolerance{Abs: 0.01, Rel: 0.03, MaxSteps: 5000}, Settings{Seed: 1, Init: first.X})
		var arrived []int
		again := adapt(t, lab, equal(0.1), Settings{Seed: 1, Progress: func(done, total int, note string) {
			if total != 50 || !strings.HasPrefix(note, "t = ") {
				t.Errorf("%s: progress %d of %d, %q", name, done, total, note)
			}
			arrived = append(arrived, done)
		}})
		if lab.Builds() != 1 || traced != before {
			t.Errorf("%s: %d builds and %d new tracings, want 1 and 0", name, lab.Builds(), traced-before)
		}
		if !slices.Equal(flat(again.X), flat(first.X)) || slices.Equal(flat(other.X), flat(first.X)) {
			t.Errorf("%s: samples do not follow the seed", name)
		}
		if !slices.IsSorted(arrived) || arrived[len(arrived)-1] != 50 {
			t.Errorf("%s: progress went through %v, want rising numbers that end with 50", name, arrived)
		}
		if !(tight.NFE > first.NFE) {
			t.Errorf("%s: %.1f evaluations at the tighter tolerance, %.1f at the looser", name, tight.NFE, first.NFE)
		}
		sum, most := 0, 0
		for i := range first.Accepted {
			nfe := 2*first.Accepted[i] + first.Rejected[i]
			sum, most = sum+nfe, max(most, nfe)
		}
		if math.Abs(first.NFE-float64(sum)/50) > 1e-9 || first.MaxNFE != most || first.Status != ode.Done || first.Elapsed <= 0 {
			t.Errorf("%s: NFE %g, at most %d, status %s; want %g, %d, done", name, first.NFE, first.MaxNFE, first.Status, float64(sum)/50, most)
		}
		clean := adapt(t, lab, equal(0.1), Settings{Seed: 1, Denoise: true})
		alpha, sigma := sde.At(vp, vp.Span().Eps)
		want := must(dist.DenoiseAt(newTarget(3, 0.3).law(), first.Samples(), alpha, sigma))
		for k, v := range want.RawMatrix().Data {
			closeTo(t, name+": posterior mean", flat(clean.X)[k], v, 1e-4)
		}
		if clean.NFE != first.NFE+1 || clean.MaxNFE != first.MaxNFE+1 {
			t.Errorf("%s: %g evaluations with denoising, %g without", name, clean.NFE, first.NFE)
		}
	}
}

// TestAdaptiveFailures: a sample that cannot reach the end stops with its reason, and does not keep others from theirs.
func TestAdaptiveFailures(t *testing.T) {
	data := newTarget(2, 0.3)
	exact := score.Exact(data.law(), vp).Score()
	spoiled := func(value float64) score.Func { // where the first coordinate exceeds 0.7 below t = 0.1
		return func(x, tm *Node) *Node {
			f := exact(x, tm)
			right := GreaterThan(SliceAxis(x, 1, AxisElem(0)), Const(x.Graph(), [][]float32{{0.7}}))
			late := LessThan(Reshape(tm, -1, 1), Const(x.Graph(), [][]float32{{0.1}}))
			return Where(BroadcastToShape(And(right, late), f.Shape()), MulScalar(OnesLike(f), value), f)
		}
	}
	noise := func(x, _ *Node) *Node { return MulScalar(Sin(MulScalar(x, 1e9)), 1e6) }
	for name, b := range backendtest.All(t) {
		lab := must(New(b, data.problem(vp, 40))) // of all cases with the exact score
		for _, c := range []struct {
			what  string
			f     score.Func // nil: exact
			tol   Tolerance
			dtype dtypes.DType
			want  ode.Status
			err   string
		}{
			{"NaN", spoiled(math.NaN()), equal(0.1), dtypes.Float32, ode.NonFinite, "where the score or the state is NaN or infinite"},
			{"infinite", spoiled(math.Inf(1)), equal(0.1), dtypes.Float32, ode.NonFinite, "of 40 samples did not reach the end"},
			{"few tries", nil, Tolerance{Abs: 0.01, Rel: 0.01, MaxSteps: 7}, dtypes.Float32, ode.MaxSteps, "40 of 40 samples did not reach the end (40: max steps)"},
			{"tight", nil, equal(1e-12), dtypes.Float32, ode.TooSmall, "steps for tolerances Abs 1e-12 and Rel 1e-12 became too small"},
			{"rough", noise, equal(1e-6), dtypes.Float64, ode.TooSmall, "(40: step too small)"},
		} {
			used := lab
			if c.f != nil {
				p := data.problem(vp, 40)
				p.Score, p.DType = c.f, c.dtype
				used = must(New(b, p))
			}
			r, err := used.Adaptive(context.Background(), c.tol, Settings{Seed: 1, Denoise: true})
			if err == nil || !strings.Contains(err.Error(), c.err) {
				t.Errorf("%s, %s: got error %v, want one with %q", name, c.what, err, c.err)
			}
			if r == nil || r.Status != c.want || r.X == nil || !slices.Contains(r.Each, c.want) {
				t.Fatalf("%s, %s: got %+v, want status %s", name, c.what, r, c.want)
			}
			some := strings.HasPrefix(c.err, "where") || strings.HasPrefix(c.err, "of")
			if some != slices.Contains(r.Each, ode.Done) {
				t.Errorf("%s, %s: statuses %v, want some done: %t", name, c.what, r.Each, some)
			}
			for i, s := range r.Each {
				if tries := r.Accepted[i] + r.Rejected[i]; s == ode.MaxSteps && tries != 7 || tries > 300 {
					t.Errorf("%s, %s: sample %d stopped after %d tries", name, c.what, i, tries)
				}
				for _, v := range r.Samples().RawRowView(i) {
					if math.IsNaN(v) || math.IsInf(v, 0) {
						t.Errorf("%s, %s: sample %d is %g, want its last finite state", name, c.what, i, v)
					}
				}
			}
		}
		ctx, cancel := context.WithCancel(context.Background())
		r, err := lab.Adaptive(ctx, equal(1e-3), Settings{Progress: func(int, int, string) { cancel() }})
		if !errors.Is(err, context.Canceled) || r == nil || r.Status != ode.Cancelled || r.X == nil || !(r.NFE > 0) {
			t.Errorf("%s: got %+v, %v; want cancelled on the way", name, r, err)
		}
	}
}

// TestAdaptiveBadInputs: every one is refused with an error that names it, before the score is evaluated.
func TestAdaptiveBadInputs(t *testing.T) {
	for want, spoil := range map[string]func(p *Problem, tol *Tolerance, set *Settings){
		"Problem.Score is nil":    func(p *Problem, _ *Tolerance, _ *Settings) { p.Score = nil },
		"Tolerance.Abs = 0":       func(_ *Problem, tol *Tolerance, _ *Settings) { tol.Abs = 0 },
		"Tolerance.Abs = NaN":     func(_ *Problem, tol *Tolerance, _ *Settings) { tol.Abs = math.NaN() },
		"Tolerance.Rel = -1":      func(_ *Problem, tol *Tolerance, _ *Settings) { tol.Rel = -1 },
		"Tolerance.Rel = +Inf":    func(_ *Problem, tol *Tolerance, _ *Settings) { tol.Rel = math.Inf(1) },
		"Tolerance.MaxSteps = -1": func(_ *Problem, tol *Tolerance, _ *Settings) { tol.MaxSteps = -1 },
		"Settings.Steps":          func(_ *Problem, _ *Tolerance, set *Settings) { set.Steps = 10 },
		"Settings.Schedule":       func(_ *Problem, _ *Tolerance, set *Settings) { set.Schedule = UniformSchedule },
		"Settings.Snapshots":      func(_ *Problem, _ *Tolerance, set *Settings) { set.Snapshots = []float64{0.5} },
		"Settings.HostLoop":       func(_ *Problem, _ *Tolerance, set *Settings) { set.HostLoop = true },
		"Settings.Init has shape": func(_ *Problem, _ *Tolerance, set *Settings) { set.Init = Tensor(mat.NewDense(1, 2, nil), 0) },
		"row 3, column 1 is NaN": func(_ *Problem, _ *Tolerance, set *Settings) {
			set.Init = Tensor(mat.NewDense(4, 2, []float64{7: math.NaN()}), 0)
		},
		"want a finite Float32":       func(p *Problem, _ *Tolerance, _ *Settings) { p.SDE = sde.VP{BetaMin: 0.1, BetaMax: 200} },
		"context canceled":            nil,
		"a score that panics, indeed": func(p *Problem, _ *Tolerance, _ *Settings) { p.Score = nil },
	} {
		p, tol, set := newTarget(2, 0.3).problem(vp, 4), equal(0.1), Settings{}
		called, exact := false, p.Score
		p.Score = func(x, tm *Node) *Node { called = true; return exact(x, tm) }
		ctx, cancel := context.WithCancel(context.Background())
		defer cancel()
		switch want {
		case "context canceled":
			cancel()
		case "a score that panics, indeed":
			p.Score = func(_, _ *Node) *Node { panic(errors.New(want)) }
		default:
			spoil(&p, &tol, &set)
		}
		r, err := must(New(backend.Go(), p)).Adaptive(ctx, tol, set)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got error %v, want one with %q", err, want)
		}
		if called || r != nil && want != "context canceled" {
			t.Errorf("%q: work started before the check", want)
		}
	}
}
