package sampler

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
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
func (f gaussianFlow) miss(t *testing.T, lab *Sampler, m Method, set Settings) float64 {
	t.Helper()
	s := lab.problem.SDE
	set.Init = Tensor(f.at(s, s.Span().T), dtypes.Float64)
	r := run(t, lab, m, set)
	last := r.Grid[set.Steps]
	var gap mat.Dense
	gap.Sub(r.Samples(), f.at(s, last))
	alpha, sigma := sde.At(s, last)
	return math.Max(mat.Max(&gap), -mat.Min(&gap)) / math.Hypot(alpha*f.std, sigma)
}

// onLevels are three processes with the noise levels of 0.02 to 80, each with its own sigma(t) and s(t), and each one's
// schedule.
func onLevels(t *testing.T) (processes []sde.SDE, schedules []Schedule) {
	ends := must(sde.TimesAtNoise(sde.VP{BetaMin: 0.1, BetaMax: 20}, []float64{0.02, 80}))
	return []sde.SDE{
			sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{Eps: ends[0], T: ends[1]}},
			sde.Brownian{Times: sde.Span{Eps: 0.02 * 0.02, T: 80 * 80}},
			sde.EDM{Times: sde.Span{Eps: 0.02, T: 80}},
		}, []Schedule{
			UniformSchedule, GeometricSchedule, PowerSchedule(7),
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
		f := must(score.Translate(score.Exact(flow.law(), edm), edm, s))
		lab := must(New(backend.Go(), Problem{SDE: s, Score: f, N: 5, Dim: 1, DType: dtypes.Float64}))
		for _, p := range []Predictor{ProbabilityFlow{}, FlowHeun{}} {
			m, order := PC{Predictor: p}, p.Order().Strong
			for k, from := range processes {
				grid := must(SameNoise(schedules[k], from, s))
				var errs []float64
				for _, n := range []int{100, 200} {
					errs = append(errs, flow.miss(t, lab, m, Settings{Steps: n, Schedule: grid}))
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
	schedules := []Schedule{UniformSchedule, GeometricSchedule, nil, PowerSchedule(7)}
	for name, b := range backendtest.All(t) {
		for k, c := range Table1() {
			if schedules[k] == nil {
				continue // the rounding of iDDPM's levels has no order
			}
			lab := must(New(b, Problem{SDE: c.Sampling, Score: score.Exact(flow.law(), c.Sampling), N: 5, Dim: 1, DType: dtypes.Float64}))
			for _, p := range []Predictor{ProbabilityFlow{}, FlowHeun{}} {
				m := PC{Predictor: p}
				var errs []float64
				for _, n := range []int{250, 500, 1000} {
					errs = append(errs, flow.miss(t, lab, m, Settings{Steps: n, Schedule: schedules[k]}))
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
		lab := must(New(b, Problem{SDE: s, Score: score.Exact(flow.law(), s), N: 5, Dim: 1, DType: dtypes.Float64}))
		var errs []float64
		for _, n := range []int{100, 200} {
			errs = append(errs, flow.miss(t, lab, PC{Predictor: FlowHeun{}}, Settings{Steps: n}))
		}
		closeTo(t, fmt.Sprintf("%s: order, errors %.2g", name, errs), math.Log2(errs[0]/errs[1]), 2, 0.2)
	}
}

// TestHeunInTime: on the process EDM, whose t is sigma, Heun in t is Heun in sigma, and the step to 0 is the posterior mean.
func TestHeunInTime(t *testing.T) {
	law := dist.FourGaussians()
	s := sde.EDM{}
	points := law.Noised(1, 80).Sample(source(1), 20)
	for name, b := range backendtest.All(t) {
		start := Tensor(points, dtypes.Float64)
		lab := must(New(b, Problem{SDE: s, Score: score.Exact(law, s), N: 20, Dim: 2, DType: dtypes.Float64}))
		got := flat(run(t, lab, PC{Predictor: FlowHeun{}}, Settings{Steps: 18, Schedule: ToZero(PowerSchedule(7)), Init: start}).X)
		want := flat(run(t, lab, Heun{}, Settings{Steps: 17, Schedule: PowerSchedule(7), Init: start, Denoise: true}).X)
		for i := range want {
			closeTo(t, name, got[i], want[i], 1e-9)
		}
	}
}

// TestStepToZero: an Euler step to t = 0 is (x + D)/2 where sigma = sqrt(t), D where sigma = t, and FlowHeun takes the same;
// DDIM's is D on every process that starts from clean data.
func TestStepToZero(t *testing.T) {
	law := must(dist.NewUniform([]float64{-0.5}, []float64{0.5}, 0)) // whose score at Sigma = 0 has no meaning
	x := mat.NewDense(4, 1, []float64{-0.7, -0.45, 0.1, 0.52})
	for name, b := range backendtest.All(t) {
		for _, s := range append(sde.All(), sde.Brownian{Times: sde.Span{Eps: 0.04, T: 1}}, sde.EDM{Times: sde.Span{Eps: 0.2, T: 1}}) {
			span := s.Span()
			at := span.Eps + 0.2*(span.T-span.Eps)
			alpha, sigma := sde.At(s, at)
			var y mat.Dense
			y.Scale(alpha, x)
			clean := must(dist.DenoiseAt(law, &y, alpha, sigma))
			set := Settings{Steps: 1, Schedule: func(int, sde.Span) []float64 { return []float64{at, 0} }, Init: Tensor(&y, dtypes.Float64)}
			lab := must(New(b, Problem{SDE: s, Score: score.Exact(law, s), N: 4, Dim: 1, DType: dtypes.Float64}))
			if _, start := sde.At(s, 0); start != 0 {
				_, err := lab.Run(context.Background(), PC{Predictor: DDIM{}}, set)
				if err == nil || !strings.Contains(err.Error(), "at t = 0, where Sigma of "+s.String()) {
					t.Errorf("%s, %s: got %v", name, s, err)
				}
				continue
			}
			if name == "go" { // elsewhere each of these compiles
				got := flat(run(t, lab, PC{Predictor: DDIM{}}, set).X)
				for i := range got {
					closeTo(t, fmt.Sprintf("%s, DDIM on %s", name, s), got[i], clean.At(i, 0), 1e-9)
				}
			}
			part, ok := map[string]float64{"Brownian": 0.5, "EDM": 1}[strings.Split(s.String(), "(")[0]]
			if !ok {
				continue
			}
			for _, m := range []Method{PC{Predictor: ProbabilityFlow{}}, PC{Predictor: FlowHeun{}}} {
				got := flat(run(t, lab, m, set).X)
				for i := range got {
					closeTo(t, fmt.Sprintf("%s, %s on %s", name, m, s), got[i], x.At(i, 0)+part*(clean.At(i, 0)-x.At(i, 0)), 1e-9)
				}
			}
		}
	}
}

// TestToZeroRefuses: what the last step to 0 does not go with.
func TestToZeroRefuses(t *testing.T) {
	data := newTarget(1, 0.3)
	lab := must(New(backend.Go(), data.problem(sde.EDM{}, 2)))
	flow := PC{Predictor: ProbabilityFlow{}}
	set := Settings{Steps: 3, Schedule: ToZero(PowerSchedule(7))}
	for says, c := range map[string]struct {
		m   Method
		set func(s Settings) Settings
	}{
		"time 3 of the schedule is 0, want falling times within [0.002": {PC{Predictor: EulerMaruyama{}}, nil},
		"time 3 of the schedule is 0, want falling":                     {PC{Predictor: DDIM{}, Corrector: Langevin{0.1, Expected}}, nil},
		"time 3 of the schedule is 0, want":                             {Heun{}, nil},
		"Settings.Denoise with a schedule that ends at t = 0":           {flow, func(s Settings) Settings { s.Denoise = true; return s }},
		"time 2 of the schedule is 0.001": {flow, func(s Settings) Settings {
			s.Schedule = fixed(80, 1, 0.001, 0)
			return s
		}},
		"snapshot at t = -1": {flow, func(s Settings) Settings { s.Snapshots = []float64{-1}; return s }},
	} {
		set := set
		if c.set != nil {
			set = c.set(set)
		}
		if _, err := lab.Run(context.Background(), c.m, set); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
	set.Snapshots = []float64{0, 80}
	if r := run(t, lab, flow, set); r.Snapshots[0].T != 0 || r.NFE != 3 {
		t.Errorf("snapshot at %g after %d evaluations", r.Snapshots[0].T, r.NFE)
	}
}

// TestTable1Times: the times of each column as table 1 prints them.
func TestTable1Times(t *testing.T) {
	const n = 18
	u := sde.IDDPMLevels()
	power := func(a, b, part float64) float64 {
		return math.Pow(math.Pow(a, 1./7)+part*(math.Pow(b, 1./7)-math.Pow(a, 1./7)), 7)
	}
	for k, want := range []func(i float64) float64{
		func(i float64) float64 { return 1 + i/(n-1)*(1e-3-1) },
		func(i float64) float64 { return 100 * 100 * math.Pow(0.02*0.02/(100*100), i/(n-1)) },
		func(i float64) float64 { return u[int(math.Floor(8+(1000-1-8)/float64(n-1)*i+0.5))] },
		func(i float64) float64 { return power(80, 0.002, i/(n-1)) },
	} {
		c := Table1()[k]
		grid := c.Schedule(n, c.Sampling.Span())
		if len(grid) != n+1 || grid[n] != 0 {
			t.Fatalf("%s: times %v", c.Name, grid)
		}
		for i := range n {
			closeTo(t, fmt.Sprintf("%s: t_%d", c.Name, i), grid[i], want(float64(i)), 1e-10*grid[i])
		}
		if one := c.Schedule(1, c.Sampling.Span()); !slices.Equal(one, []float64{c.Sampling.Span().T, 0}) {
			t.Errorf("%s: one step is %v", c.Name, one)
		}
		if _, err := (Settings{Steps: 992, Schedule: c.Schedule}).times(c.Sampling.Span()); err != nil {
			t.Error(err)
		}
	}
	s := Table1()[2].Sampling
	if err := (Settings{}).check(IDDPMSchedule(991, s.Span()), s.Span()); err != nil {
		t.Error(err)
	}
	if err := (Settings{}).check(IDDPMSchedule(992, s.Span()), s.Span()); err == nil {
		t.Error("repeated levels passed")
	}
	if IDDPMSchedule(5, sde.Span{Eps: 1e5, T: 1e6}) != nil {
		t.Error("levels where there are none")
	}
}

// TestSameNoise: the noise levels are those of the first process, at whatever times of the second; ranges that do not fit
// are refused.
func TestSameNoise(t *testing.T) {
	vp, edm := sde.VP{BetaMin: 0.1, BetaMax: 20}, sde.EDM{Times: sde.Span{Eps: 0.02, T: 100}}
	grid := must(SameNoise(PowerSchedule(7), edm, vp))(20, vp.Span())
	for i, sigma := range must2(sde.ScheduleOf(vp, grid)) {
		closeTo(t, "noise level", sigma, PowerSchedule(7)(20, edm.Span())[i], 1e-9*sigma)
	}
	if _, err := SameNoise(nil, vp, edm); err == nil || !strings.Contains(err.Error(), "noise level 0 is 152") {
		t.Errorf("got %v", err)
	}
	if _, err := SameNoise(nil, sde.VE{}, edm); err == nil {
		t.Error("an invalid process passed")
	}
	astray := must(SameNoise(func(n int, span sde.Span) []float64 { return []float64{2 * span.T, span.Eps} }, edm, vp))
	if ts := astray(1, vp.Span()); ts != nil {
		t.Errorf("a schedule outside its span gave %v", ts)
	}
}

func must2(sigma, _ []float64, err error) []float64 { return must(sigma, err) }
