package sampler

import (
	"fmt"
	"math"
	"testing"

	"github.com/scoresde/scoresde/pkg/sde"
)

// path is a chain of one-step lines measured from a predictor's own float64 graph.
func (s stepper) path(process sde.SDE, n int) []line {
	grid := scheduleOf(process)(n, process.Span())
	return s.lines(grid[:n], grid[1:])
}

// order is the order of convergence from errors whose step counts double.
func order(errs []float64) float64 {
	return math.Log2(errs[0]/errs[len(errs)-1]) / float64(len(errs)-1)
}

// away is a process on a span without the ends at which its coefficients are stiff, so that its order shows at moderate
// numbers of steps. Near t = 0 the noise of the ancestral rule changes by the step, not by the path, until steps are
// shorter than Eps; near T the cosine's rate is large.
type away struct {
	sde.SDE
	span sde.Span
}

func (a away) Span() sde.Span { return a.span }

func awayFromEnds(s sde.SDE) sde.SDE {
	if _, ok := s.(sde.EDM); ok {
		return sde.EDM{Times: sde.Span{Eps: 0.1, T: 80}}
	}
	return away{s, sde.Span{Eps: 0.2 * s.Span().T, T: 0.8 * s.Span().T}}
}

// TestWeakOrder: from the exact p_T, the errors of mean and variance at Eps fall as 1/N, for every process and
// predictor. The moments are exact, as the steps are linear.
func TestWeakOrder(t *testing.T) {
	data := target{[]float64{1}, 0.5}
	for _, s := range sde.All() {
		s := awayFromEnds(s)
		for _, p := range Predictors() {
			step := newStepper(p, data.problem(s, 2))
			var errs []float64
			for _, n := range []int{512, 1024, 2048} {
				grid := levels(s, scheduleOf(s)(n, s.Span()))
				x, end := moments{grid[0].alpha, grid[0].v(data.std)}, grid[n]
				for _, l := range step.path(s, n) {
					x = l.apply(x)
				}
				errs = append(errs, math.Abs(x.variance/end.v(data.std)-1)+math.Abs(x.slope-end.alpha))
			}
			closeTo(t, fmt.Sprintf("%s, %s: weak order, errors %.2g", p, s, errs), order(errs), p.Order().Weak, 0.3)
		}
	}
}

// TestStrongOrder: driven by the same Brownian path, the distance of coarse paths to a fine one falls as 1/N, since
// the noise does not depend on x. The mean square is exact: the final state is linear in the start and in the increments
// of the path.
func TestStrongOrder(t *testing.T) {
	data := target{[]float64{1}, 0.5}
	s := awayFromEnds(sde.OU1())
	const fine = 2048
	start := levels(s, []float64{s.Span().T})[0]
	reference := newStepper(EulerMaruyama{}, data.problem(s, 2)).path(s, fine)
	for _, p := range Predictors() {
		step := newStepper(p, data.problem(s, 2))
		var errs []float64
		for _, n := range []int{32, 64, 128} {
			a, b := influence(step.path(s, n), fine), influence(reference, fine)
			square := math.Pow(a.start-b.start, 2)*start.v(data.std) + math.Pow(a.start*start.alpha+a.mean-b.start*start.alpha-b.mean, 2)
			for k := range fine {
				square += math.Pow(a.noise[k]-b.noise[k], 2)
			}
			errs = append(errs, math.Sqrt(square))
		}
		closeTo(t, fmt.Sprintf("%s: strong order, errors %.2g", p, errs), order(errs), p.Order().Strong, 0.3)
	}
}

// effects are the coefficients of the final state: of the start, of m, and of each increment of the path.
type effects struct {
	start, mean float64
	noise       []float64
}

// influence follows a path backwards. The noise of a step is the normalised sum of the fine increments within it.
func influence(path []line, fine int) effects {
	e := effects{start: 1, noise: make([]float64, fine)}
	r := fine / len(path)
	for i := len(path) - 1; i >= 0; i-- {
		for k := i * r; k < (i+1)*r; k++ {
			e.noise[k] = e.start * path[i].C / math.Sqrt(float64(r))
		}
		e.mean += e.start * path[i].B
		e.start *= path[i].A
	}
	return e
}
