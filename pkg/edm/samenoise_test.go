package edm

import (
	"strings"
	"testing"

	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestSameNoise: the noise levels are those of the first process, at whatever times of the second; ranges that do not fit
// are refused.
func TestSameNoise(t *testing.T) {
	vp, edm := sde.VP{BetaMin: 0.1, BetaMax: 20}, sde.EDM{Times: sde.Span{Eps: 0.02, T: 100}}
	grid := must(SameNoise(sampler.PowerSchedule(7), edm, vp))(20, vp.Span())
	for i, sigma := range must2(sde.ScheduleOf(vp, grid)) {
		closeTo(t, "noise level", sigma, sampler.PowerSchedule(7)(20, edm.Span())[i], 1e-9*sigma)
	}
	if _, err := SameNoise(nil, vp, edm); err == nil || !strings.Contains(err.Error(), "noise level 0 is 152") {
		t.Errorf("got %v", err)
	}
	if _, err := SameNoise(nil, sde.VE{}, edm); err == nil {
		t.Error("an invalid process passed")
	}
	astray := must(SameNoise(func(n int, span sde.Span) []float64 { return []float64{2 * span.T, span.Eps} }, edm, vp))
	if ts := astray(1, vp.Span()); ts != nil {
		t.Errorf("a schedule outside its span gave %v", ts)
	}
}
