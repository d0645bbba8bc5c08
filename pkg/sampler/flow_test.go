package sampler

import (
	"context"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// flows are the deterministic methods with the orders they claim.
func flows() map[Method]float64 {
	all := map[Method]float64{Heun{}: 2, DPMSolver2M{}: 2, DEIS{}: 2, UniPC{}: UniPC{}.Order().Weak}
	for _, p := range Deterministic() {
		all[PC{Predictor: p}] = p.Order().Weak
	}
	return all
}

// TestFlowOrders: on N(m, s^2), whose flow map is known (CF4), the error of every deterministic method falls with the
// number of steps by the order it claims, on every SDE.
func TestFlowOrders(t *testing.T) {
	const m, std = 0.5, 0.3
	law := must(dist.NewIsotropicMixture(nil, mat.NewDense(1, 1, []float64{m}), []float64{std}))
	for _, s := range sde.All() {
		span := s.Span()
		from, to := span.T, span.Eps+0.3*(span.T-span.Eps)
		if _, ok := s.(sde.Cosine); ok {
			from = 0.95 // before the kink of its clipped rate, which methods that use the rate feel
		}
		schedule := func(n int, _ sde.Span) []float64 { return UniformSchedule(n, sde.Span{Eps: to, T: from}) }
		a1, s1 := sde.At(s, from)
		a0, s0 := sde.At(s, to)
		x := mat.NewDense(5, 1, []float64{-2, -0.5, 0, 1, 1.7})
		want := mat.NewDense(5, 1, nil)
		want.Apply(func(_, _ int, v float64) float64 {
			return a0*m + math.Hypot(a0*std, s0)/math.Hypot(a1*std, s1)*(v*math.Hypot(a1*std, s1))
		}, x)
		x.Apply(func(_, _ int, v float64) float64 { return a1*m + v*math.Hypot(a1*std, s1) }, x)
		lab := must(New(backend.Go(), Problem{SDE: s, Score: score.Exact(law, s).Score(), N: 5, Shape: []int{1}, DType: dtypes.Float64}))
		for method, order := range flows() {
			var errors []float64
			for _, n := range []int{100, 200} {
				r := must(lab.Run(context.Background(), method, Settings{Steps: n, Schedule: schedule, Init: Tensor(x, dtypes.Float64)}))
				var gap mat.Dense
				gap.Sub(r.Samples(), want)
				errors = append(errors, math.Max(mat.Max(&gap), -mat.Min(&gap)))
			}
			if got := math.Log2(errors[0] / errors[1]); math.Abs(got-order) > 0.3 && errors[1] > 1e-9 {
				t.Errorf("%s, %s: order %.2f, want %g (errors %.3g)", s, method, got, order, errors)
			}
		}
	}
}
