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
