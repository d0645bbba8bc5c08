package sampler

import (
	"context"
	"fmt"
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

// TestHeunInTime: on the process EDM, whose t is sigma, Heun in t is Heun in sigma, and the step to 0 is the posterior mean.
func TestHeunInTime(t *testing.T) {
	law := dist.FourGaussians()
	s := sde.EDM{}
	points := law.Noised(1, 80).Sample(source(1), 20)
	for name, b := range backendtest.All(t) {
		start := Tensor(points, dtypes.Float64)
		lab := must(New(b, Problem{SDE: s, Score: score.Exact(law, s).Score(), N: 20, Shape: []int{2}, DType: dtypes.Float64}))
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
	law := must(dist.NewIsotropicGaussian([]float64{0.5}, 0.3))
	x := mat.NewDense(4, 1, []float64{-0.7, -0.45, 0.1, 0.52})
	for name, b := range backendtest.All(t) {
		for _, s := range append(sde.All(), sde.Brownian{Times: sde.Span{Eps: 0.04, T: 1}}, sde.EDM{Times: sde.Span{Eps: 0.2, T: 1}}) {
			part, euler := map[string]float64{"Brownian": 0.5, "EDM": 1}[strings.Split(s.String(), "(")[0]]
			if !euler && name != "go" { // elsewhere each of these compiles
				continue
			}
			span := s.Span()
			at := span.Eps + 0.2*(span.T-span.Eps)
			alpha, sigma := sde.At(s, at)
			var y mat.Dense
			y.Scale(alpha, x)
			clean := must(dist.DenoiseAt(law, &y, alpha, sigma))
			set := Settings{Steps: 1, Schedule: func(int, sde.Span) []float64 { return []float64{at, 0} }, Init: Tensor(&y, dtypes.Float64)}
			lab := must(New(b, Problem{SDE: s, Score: noisyOnly(score.Exact(law, s).Score(), s), N: 4, Shape: []int{1}, DType: dtypes.Float64}))
			if _, start := sde.At(s, 0); start != 0 {
				_, err := lab.Run(context.Background(), PC{Predictor: DDIM{}}, set)
				if err == nil || !strings.Contains(err.Error(), "at t = 0, where Sigma of "+s.String()) {
					t.Errorf("%s, %s: got %v", name, s, err)
				}
				continue
			}
			got := flat(run(t, lab, PC{Predictor: DDIM{}}, set).X)
			for i := range got {
				closeTo(t, fmt.Sprintf("%s, DDIM on %s", name, s), got[i], clean.At(i, 0), 1e-9)
			}
			if !euler {
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

// noisyOnly is f where Sigma is not 0, and NaN there, as learned scores are.
func noisyOnly(f score.Func, s sde.SDE) score.Func {
	return func(x, t *Node) *Node {
		sigma := like(s.Sigma(t), x)
		return Mul(f(x, t), Div(sigma, sigma))
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
