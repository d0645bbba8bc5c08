package sampler

import (
	"fmt"
	"math"

	"github.com/scoresde/scoresde/pkg/sde"
)

// Schedule returns the n+1 times of n steps, falling from span.T to span.Eps.
type Schedule func(n int, span sde.Span) []float64

// UniformSchedule takes equal steps in t.
func UniformSchedule(n int, span sde.Span) []float64 {
	ts := make([]float64, n+1)
	for i := range ts {
		ts[i] = span.T + float64(i)/float64(n)*(span.Eps-span.T)
	}
	ts[n] = span.Eps
	return ts
}

func (s Schedule) orUniform() Schedule {
	if s == nil {
		return UniformSchedule
	}
	return s
}

// PowerSchedule takes equal steps in t^(1/rho): with the EDM process, whose t is sigma, and rho = 7 it is the schedule of
// Karras et al. (2022, arXiv 2206.00364, eq 5) without its last step to 0. rho > 0.
func PowerSchedule(rho float64) Schedule {
	return func(n int, span sde.Span) []float64 {
		from, to := math.Pow(span.T, 1/rho), math.Pow(span.Eps, 1/rho)
		ts := make([]float64, n+1)
		for i := range ts {
			ts[i] = math.Pow(from+float64(i)/float64(n)*(to-from), rho)
		}
		ts[0], ts[n] = span.T, span.Eps
		return ts
	}
}

// GeometricSchedule takes equal steps in ln t; on sde.Brownian, where sigma^2 = t, it is the schedule of VE in table 1 of
// Karras et al. (2022). The span has to start above 0.
func GeometricSchedule(n int, span sde.Span) []float64 {
	ts := make([]float64, n+1)
	for i := range ts {
		ts[i] = span.T * math.Pow(span.Eps/span.T, float64(i)/float64(n))
	}
	ts[0], ts[n] = span.T, span.Eps
	return ts
}

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

// grid builds and checks the times of a run.
func (set Settings) grid(span sde.Span) ([]float64, error) {
	ts, err := set.times(span)
	if err != nil {
		return nil, err
	}
	return ts, set.check(ts, span)
}

// times builds as many times as Steps asks for.
func (set Settings) times(span sde.Span) ([]float64, error) {
	if set.Steps < 1 {
		return nil, fmt.Errorf("sampler: Settings.Steps = %d, want N >= 1", set.Steps)
	}
	ts := set.Schedule.orUniform()(set.Steps, span)
	if len(ts) != set.Steps+1 {
		return nil, fmt.Errorf("sampler: the schedule returned %d times for %d steps, want %d", len(ts), set.Steps, set.Steps+1)
	}
	return ts, nil
}

// check wants falling times within the span, and snapshots there too.
func (set Settings) check(ts []float64, span sde.Span) error {
	for i, t := range ts {
		if math.IsNaN(t) || t < span.Eps*(1-1e-12) || t > span.T*(1+1e-12) || i > 0 && !(t < ts[i-1]) {
			return fmt.Errorf("sampler: time %d of the schedule is %g, want falling times within [%g, %g]", i, t, span.Eps, span.T)
		}
	}
	for _, t := range set.Snapshots {
		if math.IsNaN(t) || t < span.Eps*(1-1e-12) || t > span.T*(1+1e-12) {
			return fmt.Errorf("sampler: snapshot at t = %g lies outside [%g, %g]", t, span.Eps, span.T)
		}
	}
	return nil
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

// nearest returns the index of the time of the grid that is closest to t.
func nearest(grid []float64, t float64) int {
	best := 0
	for i := range grid {
		if math.Abs(grid[i]-t) < math.Abs(grid[best]-t) {
			best = i
		}
	}
	return best
}
