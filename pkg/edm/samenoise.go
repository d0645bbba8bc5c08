package edm

import (
	"fmt"

	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/sde"
)

// SameNoise carries a schedule over from one process to another: the times at which the process to has the noise levels
// Sigma/Alpha that from has at the times of schedule on its own span. It makes the grid independent of sigma(t) and s(t), as
// in the ablations of Karras et al. (2022, section 3). It returns an error unless the levels of from lie within those of
// to. To end at 0, use sampler.ToZero on the result.
func SameNoise(schedule sampler.Schedule, from, to sde.SDE) (sampler.Schedule, error) {
	if schedule == nil {
		schedule = sampler.UniformSchedule
	}
	for _, s := range []sde.SDE{from, to} {
		if err := sde.Validate(s); err != nil {
			return nil, fmt.Errorf("edm: SameNoise: %w", err)
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
		return nil, fmt.Errorf("edm: SameNoise: %w", err)
	}
	return func(n int, _ sde.Span) []float64 {
		ts, err := carry(schedule(n, from.Span()))
		if err != nil {
			return nil // a schedule that leaves its span, whose times the run finds missing
		}
		return ts
	}, nil
}
