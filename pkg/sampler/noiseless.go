package sampler

import (
	"fmt"

	"github.com/scoresde/scoresde/pkg/sde"
)

// ToZero is a schedule with a last step to t = 0, where Sigma is 0: of its n steps the first n-1 are those of schedule, so
// that the n times before 0 are t_0..t_{n-1} of Karras et al. (2022), whose t_n is 0. It is for methods that take such a
// step without a score at its end: ProbabilityFlow, FlowHeun and DDIM, without a corrector. On sde.EDM the step is that of
// Settings.Denoise; with other sigma(t) an Euler step stops short of the posterior mean. Settings.Denoise does not go with
// it. The process has to have Sigma(0) = 0. For the predictors and correctors of Song et al. (2021) and for every process the
// like is Settings.LastMean, which steps to noise 0 wherever in time that would be.
func ToZero(schedule Schedule) Schedule {
	return func(n int, span sde.Span) []float64 {
		if n == 1 {
			return []float64{span.T, 0}
		}
		return append(schedule.orUniform()(n-1, span), 0)
	}
}

// noiseless is a Predictor that can step to a time with Sigma = 0.
type noiseless interface{ stepsToZero() }

func (ProbabilityFlow) stepsToZero() {}
func (FlowHeun) stepsToZero()        {}
func (DDIM) stepsToZero()            {}

// stepsToZero says whether a method can step to a time with Sigma = 0.
func stepsToZero(m Method) bool {
	pc, ok := m.(PC)
	if !ok || pc.Corrector != nil {
		return false
	}
	_, ok = pc.Predictor.(noiseless)
	return ok
}

// fallingGrid is the grid of a run with m. If m allows, its last time may be 0, below Eps.
func (s *Sampler) fallingGrid(m Method, set Settings) ([]float64, error) {
	span := s.problem.SDE.Span()
	if set.LastMean {
		return set.levels(span)
	}
	grid, err := set.times(span)
	if err != nil {
		return nil, err
	}
	last := len(grid) - 1
	if grid[last] == 0 && grid[last-1] >= span.Eps*(1-1e-12) && stepsToZero(m) {
		if set.Denoise {
			return nil, fmt.Errorf("sampler: Settings.Denoise with a schedule that ends at t = 0, want one of the two")
		}
		if _, sigma := sde.At(s.problem.SDE, 0); sigma != 0 {
			return nil, fmt.Errorf("sampler: the schedule ends at t = 0, where Sigma of %s is %g, want 0", s.problem.SDE, sigma)
		}
		span.Eps = 0
	}
	return grid, set.check(grid, span)
}
