package sampler

import (
	"fmt"
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestODEForms: the probability-flow ODE in its score form with f and g, in that with s and sigma, and in the denoiser form
// (Karras et al. 2022, eq 4 and algorithm 1; gradients in x, so that the score of p(x/s; sigma) has a factor 1/s) is the same on
// the schedules of table 1 and one of our own, with derivatives written by hand.
func TestODEForms(t *testing.T) {
	law := must(dist.NewIsotropicMixture([]float64{0.3, 0.7}, mat.NewDense(2, 1, []float64{-1, 0.6}), []float64{0.2, 0.4}))
	own := must(sde.FromSchedule("own", func(t *Node) *Node { return Reciprocal(OnePlus(t)) },
		func(t *Node) *Node { return Add(Square(t), MulScalar(t, 0.1)) }, sde.Span{Eps: 0.01, T: 2}))
	type derivatives struct {
		s, sigma func(t, s, sigma float64) float64
	}
	zero, one := func(t, s, sigma float64) float64 { return 0 }, func(t, s, sigma float64) float64 { return 1 }
	for process, d := range map[sde.SDE]derivatives{
		sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{Eps: 1e-3, T: 1}}: {
			func(t, s, _ float64) float64 { return -(0.1 + 19.9*t) / 2 * s },
			func(t, _, sigma float64) float64 { return (0.1 + 19.9*t) / 2 * (sigma + 1/sigma) },
		},
		sde.Brownian{Times: sde.Span{Eps: 0.02 * 0.02, T: 100 * 100}}: {zero, func(_, _, sigma float64) float64 { return 1 / (2 * sigma) }},
		sde.EDM{}: {zero, one},
		own: {
			func(t, _, _ float64) float64 { return -1 / ((1 + t) * (1 + t)) },
			func(t, _, _ float64) float64 { return 2*t + 0.1 },
		},
	} {
		span := process.Span()
		for _, part := range []float64{1e-3, 0.1, 0.5, 0.99} {
			at := span.Eps + part*(span.T-span.Eps)
			sigmas, scales := scheduleAt(t, process, at)
			s, sigma := scales[0], sigmas[0]
			ds, dsigma := d.s(at, s, sigma), d.sigma(at, s, sigma)
			x := []float64{-1.3, 0.2, 0.9}
			y := mat.NewDense(len(x), 1, nil)
			for i := range x {
				x[i] *= s * (1 + sigma)
				y.Set(i, 0, x[i]/s)
			}
			clean := must(dist.DenoiseAt(law, y, 1, sigma))
			grad := must(dist.ScoreAt(law, y, 1, sigma))
			step := newStepper(ProbabilityFlow{}, Problem{SDE: process, Score: score.Exact(law, process).Score(), N: len(x), Shape: []int{1}})
			_, next, _ := step.at(x, []float64{at}, []float64{at - 1}) // Euler's step is linear in dt, here 1
			for i := range x {
				score := ds/s*x[i] - s*s*dsigma*sigma*grad.At(i, 0)/s
				denoiser := (ds/s+dsigma/sigma)*x[i] - dsigma*s/sigma*clean.At(i, 0)
				scale := math.Abs(ds/s*x[i]) + math.Abs(dsigma/sigma*x[i])
				closeTo(t, fmt.Sprintf("%s at %g: f x - g^2/2 score", process, at), x[i]-next[i], score, 1e-10*scale)
				closeTo(t, fmt.Sprintf("%s at %g: denoiser form", process, at), denoiser, score, 1e-10*scale)
			}
		}
	}
}

func scheduleAt(t *testing.T, s sde.SDE, at float64) (sigma, scale []float64) {
	t.Helper()
	sigma, scale, err := sde.ScheduleOf(s, []float64{at})
	if err != nil {
		t.Fatal(err)
	}
	return sigma, scale
}
