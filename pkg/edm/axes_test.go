package edm

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// gaussianFlow is the exact flow map of N(m, std^2) (CF4): points that stay the same number of standard deviations away
// from the mean of p_t.
type gaussianFlow struct{ m, std float64 }

func (f gaussianFlow) law() dist.Gaussian {
	return must(dist.NewIsotropicGaussian([]float64{f.m}, f.std))
}

// at returns the points at one time of a process.
func (f gaussianFlow) at(s sde.SDE, t float64) *mat.Dense {
	alpha, sigma := sde.At(s, t)
	x := []float64{-2, -0.5, 0, 1, 1.7}
	for i := range x {
		x[i] = alpha*f.m + x[i]*math.Hypot(alpha*f.std, sigma)
	}
	return mat.NewDense(len(x), 1, x)
}

// miss is the largest distance of a run's end from the exact flow, in standard deviations there.
func (f gaussianFlow) miss(t *testing.T, lab *sampler.Sampler, m sampler.Method, set sampler.Settings) float64 {
	t.Helper()
	s := lab.Problem().SDE
	set.Init = sampler.Tensor(f.at(s, s.Span().T), dtypes.Float64)
	r := run(t, lab, m, set)
	last := r.Grid[set.Steps]
	var gap mat.Dense
	gap.Sub(r.Samples(), f.at(s, last))
	alpha, sigma := sde.At(s, last)
	return math.Max(mat.Max(&gap), -mat.Min(&gap)) / math.Hypot(alpha*f.std, sigma)
}

// onLevels are three processes with the noise levels of 0.02 to 80, each with its own sigma(t) and s(t), and each one's
// schedule.
func onLevels(t *testing.T) (processes []sde.SDE, schedules []sampler.Schedule) {
	ends := must(sde.TimesAtNoise(sde.VP{BetaMin: 0.1, BetaMax: 20}, []float64{0.02, 80}))
	return []sde.SDE{
			sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{Eps: ends[0], T: ends[1]}},
			sde.Brownian{Times: sde.Span{Eps: 0.02 * 0.02, T: 80 * 80}},
			sde.EDM{Times: sde.Span{Eps: 0.02, T: 80}},
		}, []sampler.Schedule{
			sampler.UniformSchedule, sampler.GeometricSchedule, sampler.PowerSchedule(7),
		}
}

// TestFourAxes: solver, grid, sigma(t) and s(t) are set apart from each other. Each grid under each process, with the exact
// score of the process EDM translated to it, follows the exact flow of a Gaussian with the order of the solver; one
// executable per process and solver does all grids and numbers of steps.
func TestFourAxes(t *testing.T) {
	flow := gaussianFlow{0.5, 0.3}
	processes, schedules := onLevels(t)
	edm := processes[2]
	for _, s := range processes {
		f := must(score.Translate(score.Exact(flow.law(), edm).Score(), edm, s))
		lab := must(sampler.New(backend.Go(), sampler.Problem{SDE: s, Score: f, N: 5, Shape: []int{1}, DType: dtypes.Float64}))
		for _, p := range []sampler.Predictor{sampler.ProbabilityFlow{}, sampler.FlowHeun{}} {
			m, order := sampler.PC{Predictor: p}, p.Order().Strong
			for k, from := range processes {
				grid := must(SameNoise(schedules[k], from, s))
				var errs []float64
				for _, n := range []int{100, 200} {
					errs = append(errs, flow.miss(t, lab, m, sampler.Settings{Steps: n, Schedule: grid}))
				}
				what := fmt.Sprintf("%s on %s at the noise levels of %s, errors %.2g", m, s, from, errs)
				if errs[1] > 1e-5 { // below, the interpolation of Translate shows
					closeTo(t, what+": order", math.Log2(errs[0]/errs[1]), order, 0.35)
				}
				if !(errs[1] < 0.4/order) {
					t.Error(what)
				}
			}
		}
		if lab.Builds() != 2 {
			t.Errorf("%s: %d executables, want one per solver", s, lab.Builds())
		}
	}
}

// TestTable1Orders: with its own times, and on both engines, each column's process has errors that fall by the order of the
// solver.
func TestTable1Orders(t *testing.T) {
	flow := gaussianFlow{0.5, 0.3}
	schedules := []sampler.Schedule{sampler.UniformSchedule, sampler.GeometricSchedule, nil, sampler.PowerSchedule(7)}
	for name, b := range backendtest.All(t) {
		for k, c := range Table1(0.5) {
			if schedules[k] == nil {
				continue // the rounding of iDDPM's levels has no order
			}
			lab := must(sampler.New(b, sampler.Problem{SDE: c.Sampling, Score: score.Exact(flow.law(), c.Sampling).Score(), N: 5, Shape: []int{1}, DType: dtypes.Float64}))
			for _, p := range []sampler.Predictor{sampler.ProbabilityFlow{}, sampler.FlowHeun{}} {
				m := sampler.PC{Predictor: p}
				var errs []float64
				for _, n := range []int{250, 500, 1000} {
					errs = append(errs, flow.miss(t, lab, m, sampler.Settings{Steps: n, Schedule: schedules[k]}))
				}
				got := math.Log2(errs[1] / errs[2])
				t.Logf("%s: %s, %s: errors %.2e at N = 250, 500, 1000, order %.2f", name, c.Name, m, errs, got)
				closeTo(t, fmt.Sprintf("%s: %s, %s: order", name, c.Name, m), got, p.Order().Strong, 0.2)
			}
		}
	}
}

// TestOwnSchedule: FlowHeun on a process given by s and sigma alone, whose derivatives are automatic, on both engines.
func TestOwnSchedule(t *testing.T) {
	flow := gaussianFlow{0.5, 0.3}
	s := must(sde.FromSchedule("cubic", func(t *Node) *Node { return Reciprocal(OnePlus(t)) },
		func(t *Node) *Node { return Mul(t, Square(t)) }, sde.Span{Eps: 0.3, T: 3}))
	for name, b := range backendtest.All(t) {
		lab := must(sampler.New(b, sampler.Problem{SDE: s, Score: score.Exact(flow.law(), s).Score(), N: 5, Shape: []int{1}, DType: dtypes.Float64}))
		var errs []float64
		for _, n := range []int{100, 200} {
			errs = append(errs, flow.miss(t, lab, sampler.PC{Predictor: sampler.FlowHeun{}}, sampler.Settings{Steps: n}))
		}
		closeTo(t, fmt.Sprintf("%s: order, errors %.2g", name, errs), math.Log2(errs[0]/errs[1]), 2, 0.2)
	}
}
