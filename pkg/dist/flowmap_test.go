package dist_test

import (
	"context"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/ode"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestFlowMapSolvesTheODE integrates the probability-flow ODE with the exact score, from noise to data and back, to both
// tails of the start.
func TestFlowMapSolvesTheODE(t *testing.T) {
	mixture, err := dist.NewIsotropicMixture([]float64{0.3, 0.7}, mat.NewDense(2, 1, []float64{-1, 0.6}), []float64{0.2, 0.4})
	if err != nil {
		t.Fatal(err)
	}
	vp := sde.VP{BetaMin: 0.1, BetaMax: 20}
	for law, processes := range map[dist.Univariate][]sde.SDE{
		dist.Unit(): {vp, sde.VE{SigmaMin: 0.01, SigmaMax: 50}, sde.EDM{}}, mixture: {vp},
	} {
		for _, s := range processes {
			solver, err := ode.New(backend.Go(), score.Flow(score.Exact(law, s).Score(), s))
			if err != nil {
				t.Fatal(err)
			}
			end := s.Span().T
			alpha, sigma := sde.At(s, end)
			noised := law.Noised(alpha, sigma)
			var x []float64
			for z := -6.0; z <= 6; z += 1.5 {
				x = append(x, noised.Mean()[0]+z*math.Sqrt(noised.Cov().At(0, 0)))
			}
			early := max(s.Span().Eps, 1e-3)
			for _, span := range [][2]float64{{end, early}, {early, end}} {
				want, err := dist.FlowMap(law, s, x, span[0], span[1])
				if err != nil {
					t.Fatal(err)
				}
				r, err := solver.Adaptive(context.Background(), host.Tensor(mat.NewDense(len(x), 1, x), dtypes.Float64), span[0], span[1], ode.Tolerance(1e-9))
				if err != nil {
					t.Fatal(err)
				}
				worst := 0.0
				for i, got := range host.Values(r.X) {
					worst = math.Max(worst, math.Abs(got-want[i])/(1+math.Abs(want[i])))
				}
				if !(worst < 1e-6) {
					t.Errorf("%s, %s, t = %g to %g: the ODE ends %g away", law, s, span[0], span[1], worst)
				}
				x = want // and back
			}
		}
	}
}
