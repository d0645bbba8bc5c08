package sampler

import (
	"context"
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/metric"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// ratios are those of 002-12, with sigma above g too (E29).
var ratios = []float64{0, 0.5, 1, 1.5}

// knobbed presents a method that draws one normal per step as a predictor with the values of its knobs fixed. The mean is
// what the next state is at z = 0, found from the states at z and at -z, as the step is linear in z.
type knobbed struct{ Method }

func (k knobbed) Order() Order { return k.Method.(interface{ Order() Order }).Order() }

func (k knobbed) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	knobs := make([]*Node, len(k.Knobs()))
	for i, v := range k.Knobs() {
		knobs[i] = ConstAs(x, []float64{v})
	}
	z := rng.Again().Normal(x.Shape())
	next, _ = k.Step(p, rng, x, t, tNext, nil, knobs)
	otherZ := rng.Again().Normal(x.Shape())
	other, _ := k.Step(p, rng, x, t, tNext, nil, knobs)
	slope := Div(Sub(other, next), Sub(otherZ, z))
	return next, Sub(next, Mul(slope, z))
}

// TestFamilyStep: the step both ways against the SDEs of the family, and against its two known members.
func TestFamilyStep(t *testing.T) {
	x := []float64{-2, -0.3, 0.1, 1.7}
	for _, s := range sde.All() {
		span := s.Span()
		now, next := span.Eps+0.6*(span.T-span.Eps), span.Eps+0.57*(span.T-span.Eps)
		p := Problem{SDE: s, Score: curved, N: len(x), Shape: []int{1}}
		for _, r := range ratios {
			step := newStepper(knobbed{Family{r}}, p)
			for _, backwards := range []bool{true, false} {
				from, to, sign := now, next, 1.0
				if !backwards {
					from, to, sign = next, now, -1
				}
				l := levels(s, []float64{from})[0]
				mean, state, z := step.at(x, []float64{from}, []float64{to})
				for i := range x {
					sigma, score := r*l.g, math.Sin(x[i])*math.Exp(from)
					drift := l.drift*x[i] - (l.g*l.g+sign*sigma*sigma)/2*score
					what := fmt.Sprintf("%s, ratio %g, backwards %t", s, r, backwards)
					scale := 1 + math.Abs(drift)
					closeTo(t, what+": mean", mean[i], x[i]+(to-from)*drift, 1e-11*scale)
					closeTo(t, what+": noise", (state[i]-mean[i])/z[i], sigma*math.Sqrt(now-next), 1e-10*scale)
				}
			}
		}
		for r, member := range map[float64]Predictor{0: ProbabilityFlow{}, 1: EulerMaruyama{}} {
			_, got, _ := newStepper(knobbed{Family{r}}, p).at(x, []float64{now}, []float64{next})
			_, want, _ := newStepper(member, p).at(x, []float64{now}, []float64{next})
			for i := range x {
				closeTo(t, fmt.Sprintf("%s: ratio %g is %s", s, r, member), got[i], want[i], 1e-11*(1+math.Abs(want[i])))
			}
		}
	}
}

// TestFamilyOrder: weak and strong order 1 at every ratio.
func TestFamilyOrder(t *testing.T) {
	for _, r := range ratios {
		checkOrders(t, Family{r})
	}
	for _, eta := range []float64{0, 0.5, 1} {
		checkOrders(t, StochasticDDIM{eta})
	}
}

// checkOrders measures the weak order on several processes and the strong order on one, on Gaussian data, without sampling
// noise, as TestWeakOrder and TestStrongOrder do.
func checkOrders(t *testing.T, m interface {
	Method
	Order() Order
}) {
	t.Helper()
	data := target{[]float64{1}, 0.5}
	for _, s := range []sde.SDE{sde.VP{BetaMin: 0.1, BetaMax: 20}, sde.VE{SigmaMin: 0.01, SigmaMax: 50}, sde.EDM{}, sde.OU1()} {
		s := awayFromEnds(s)
		step := newStepper(knobbed{m}, data.problem(s, 2))
		var errs []float64
		for _, n := range []int{512, 1024, 2048} {
			grid := levels(s, scheduleOf(s)(n, s.Span()))
			x, end := moments{grid[0].alpha, grid[0].v(data.std)}, grid[n]
			for _, l := range step.path(s, n) {
				x = l.apply(x)
			}
			errs = append(errs, math.Abs(x.variance/end.v(data.std)-1)+math.Abs(x.slope-end.alpha))
		}
		closeTo(t, fmt.Sprintf("%s with %v, %s: weak order, errors %.2g", m, m.Knobs(), s, errs), order(errs), m.Order().Weak, 0.3)
	}
	s := awayFromEnds(sde.OU1())
	const fine = 2048
	step := newStepper(knobbed{m}, data.problem(s, 2))
	reference := influence(step.path(s, fine), fine)
	var errs []float64
	for _, n := range []int{16, 32, 64} {
		a := influence(step.path(s, n), fine)
		square := math.Pow(a.start-reference.start, 2) + math.Pow(a.mean-reference.mean, 2)
		for k := range fine {
			square += math.Pow(a.noise[k]-reference.noise[k], 2)
		}
		errs = append(errs, math.Sqrt(square))
	}
	closeTo(t, fmt.Sprintf("%s with %v: strong order, errors %.2g", m, m.Knobs(), errs), order(errs), m.Order().Strong, 0.3)
}

// checkMarginals runs every member of the family on U[0, 1] under VP with the exact score, backward from the prior and forward
// from the data, and holds each state on the way to the law p_t by the Kolmogorov-Smirnov distance (002-12).
func checkMarginals(t *testing.T, b compute.Backend, n, steps int, bound float64) {
	t.Helper()
	law, s := dist.Unit(), sde.VP{BetaMin: 0.1, BetaMax: 20}
	span := s.Span()
	lab := must(New(b, Problem{SDE: s, Score: score.Exact(law, s).Score(), N: n, Shape: []int{1}}))
	distance := func(snap Snapshot) float64 {
		alpha, sigma := sde.At(s, snap.T)
		x := snap.Samples()
		values := must(dist.CDFAt(law, x, alpha, sigma))
		cdf := map[float64]float64{}
		for i := range n {
			cdf[x.At(i, 0)] = values.At(i, 0)
		}
		stat, _, err := metric.KS(mat.Col(nil, 0, x), func(v float64) float64 { return cdf[v] })
		return must(stat, err)
	}
	set := Settings{Steps: steps, Snapshots: []float64{span.Eps, 0.05, 0.15, 0.3, 0.6, span.T}, Seed: 4}
	alpha, sigma := sde.At(s, span.Eps)
	for _, r := range ratios {
		backward := run(t, lab, Family{r}, set)
		up := set
		up.Init = Tensor(law.Noised(alpha, sigma).Sample(source(9), n), dtypes.Float32)
		forward := must(lab.Forward(context.Background(), Family{r}, up))
		row := fmt.Sprintf("ratio %.1f:", r)
		for k := range set.Snapshots {
			down, up := distance(backward.Snapshots[k]), distance(forward.Snapshots[k])
			row += fmt.Sprintf("  t=%.3g %.4f %.4f", backward.Snapshots[k].T, down, up)
			if !(down < bound && up < bound) {
				t.Errorf("ratio %g, t = %g: KS %.4f backward, %.4f forward, want < %.4f", r, set.Snapshots[k], down, up, bound)
			}
		}
		t.Log(row)
	}
	if lab.Builds() != 1 {
		t.Errorf("%d executables for all ratios and both directions, want 1", lab.Builds())
	}
}

// TestFamilyMarginals is 002-12 as it stands: KS to F_t below .02 with 10 000 samples and N = 1000.
func TestFamilyMarginals(t *testing.T) { checkMarginals(t, xla(t), 10000, 1000, 0.02) }

// TestFamilyMarginalsOnHost is the same with fewer samples and steps, on the Go engine.
func TestFamilyMarginalsOnHost(t *testing.T) {
	checkMarginals(t, backend.Go(), 1000, 300, 1.95/math.Sqrt(1000))
}

// TestStochasticDDIM: eta 0 is DDIM and eta 1 the ancestral step, on every process, with other noise in between; an eta
// compiles nothing.
func TestStochasticDDIM(t *testing.T) {
	x := []float64{-2, -0.3, 0.1, 1.7}
	for _, s := range sde.All() {
		span := s.Span()
		now, next := []float64{span.Eps + 0.6*(span.T-span.Eps)}, []float64{span.Eps + 0.5*(span.T-span.Eps)}
		p := Problem{SDE: s, Score: curved, N: len(x), Shape: []int{1}}
		for eta, member := range map[float64]Predictor{0: DDIM{}, 1: Ancestral{}} {
			_, got, _ := newStepper(knobbed{StochasticDDIM{eta}}, p).at(x, now, next)
			_, want, _ := newStepper(member, p).at(x, now, next)
			for i := range x {
				closeTo(t, fmt.Sprintf("%s: eta %g is %s", s, eta, member), got[i], want[i], 1e-8*(1+math.Abs(want[i])))
			}
		}
		ls := levels(s, []float64{now[0], next[0]})
		a := ls[0].alpha / ls[1].alpha
		w := 0.5 * math.Sqrt(ls[0].sigma*ls[0].sigma-a*a*ls[1].sigma*ls[1].sigma) * ls[1].sigma / ls[0].sigma
		mean, state, z := newStepper(knobbed{StochasticDDIM{0.5}}, p).at(x, now, next)
		for i := range x {
			score := math.Sin(x[i]) * math.Exp(now[0])
			eps := -ls[0].sigma * score
			d := (x[i] - ls[0].sigma*eps) / ls[0].alpha
			want := ls[1].alpha*d + math.Sqrt(ls[1].sigma*ls[1].sigma-w*w)*eps
			closeTo(t, fmt.Sprintf("%s: mean", s), mean[i], want, 1e-9*(math.Abs(d)+1))
			closeTo(t, fmt.Sprintf("%s: noise", s), (state[i]-mean[i])/z[i], w, 1e-9*(math.Abs(d)+1))
		}
	}
	data := newTarget(2, 0.3)
	for name, b := range backendtest.All(t) {
		lab := must(New(b, data.problem(vp, 2000)))
		for _, eta := range []float64{0, 0.7, 1} {
			r := run(t, lab, StochasticDDIM{eta}, Settings{Steps: 500, Seed: 2})
			end := levels(vp, r.Grid[500:])[0]
			data.checkMoments(t, fmt.Sprintf("%s, eta %g", name, eta), r.Samples(), moments{end.alpha, end.v(data.std)}, 0.03)
		}
		if lab.Builds() != 1 {
			t.Errorf("%s: %d executables, want 1", name, lab.Builds())
		}
	}
}

func TestFamilyRefuses(t *testing.T) {
	data := newTarget(2, 0.3)
	lab := must(New(backend.Go(), data.problem(vp, 4)))
	for says, m := range map[string]Method{
		"Ratio = -1": Family{-1}, "Ratio = NaN": Family{math.NaN()}, "Ratio = +Inf": Family{math.Inf(1)},
		"Eta = -0.1": StochasticDDIM{-0.1}, "Eta = 1.1": StochasticDDIM{1.1}, "Eta = NaN": StochasticDDIM{math.NaN()},
		"want a name and coefficients": PC{Predictor: &Rule{Name: "empty"}},
	} {
		if _, err := lab.Run(context.Background(), m, Settings{Steps: 2}); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
	if _, err := lab.Forward(context.Background(), Family{1}, Settings{Steps: 2}); err == nil || !strings.Contains(err.Error(), "Settings.Init is nil") {
		t.Errorf("got %v", err)
	}
	if _, err := lab.Forward(context.Background(), Family{-1}, Settings{Steps: 2}); err == nil {
		t.Error("a negative ratio ran forward")
	}
	blind := must(New(backend.Go(), Problem{SDE: vp, N: 4, Shape: []int{2}}))
	if _, err := blind.Forward(context.Background(), Family{1}, Settings{Steps: 2}); err == nil {
		t.Error("no score ran forward")
	}
}
