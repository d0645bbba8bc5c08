package sampler

import (
	"fmt"
	"math"

	"github.com/scoresde/scoresde/pkg/sde"
)

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

// IDDPMSchedule takes equal steps, rounded, in the number of the level among those of sde.IDDPMLevels that lie in the span of
// times, which are noise levels: that of iDDPM in table 1 of Karras et al. (2022), for sde.EDM. Where n exceeds the steps
// between those levels, 991 on the process of sde.Table1, times repeat and a run refuses them.
func IDDPMSchedule(n int, span sde.Span) []float64 {
	var levels []float64
	for _, u := range sde.IDDPMLevels() {
		if u >= span.Eps && u <= span.T && u > 0 {
			levels = append(levels, u)
		}
	}
	if len(levels) == 0 {
		return nil
	}
	ts := make([]float64, n+1)
	for i := range ts {
		ts[i] = levels[int(math.Floor(float64(len(levels)-1)/float64(n)*float64(i)+0.5))]
	}
	return ts
}

// SameNoise carries a schedule over from one process to another: the times at which the process to has the noise levels
// Sigma/Alpha that from has at the times of schedule on its own span. It makes the grid independent of sigma(t) and s(t), as
// in the ablations of Karras et al. (2022, section 3). It returns an error unless the levels of from lie within those of
// to. To end at 0, use ToZero on the result.
func SameNoise(schedule Schedule, from, to sde.SDE) (Schedule, error) {
	for _, s := range []sde.SDE{from, to} {
		if err := sde.Validate(s); err != nil {
			return nil, fmt.Errorf("sampler: SameNoise: %w", err)
		}
	}
	carry := func(ts []float64) ([]float64, error) {
		sigmas, _, err := sde.ScheduleOf(from, ts)
		if err != nil {
			return nil, err
		}
		return sde.TimesAtNoise(to, sigmas)
	}
	if _, err := carry([]float64{from.Span().T, from.Span().Eps}); err != nil {
		return nil, fmt.Errorf("sampler: SameNoise: %w", err)
	}
	return func(n int, _ sde.Span) []float64 {
		ts, err := carry(schedule.orUniform()(n, from.Span()))
		if err != nil {
			return nil // a schedule that leaves its span, whose times the run finds missing
		}
		return ts
	}, nil
}
