package sampler

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/scoresde/scoresde/pkg/sde"
)

// TestTable1Times: the times of each column as table 1 prints them.
func TestTable1Times(t *testing.T) {
	const n = 18
	u := sde.IDDPMLevels()
	power := func(a, b, part float64) float64 {
		return math.Pow(math.Pow(a, 1./7)+part*(math.Pow(b, 1./7)-math.Pow(a, 1./7)), 7)
	}
	for k, want := range []func(i float64) float64{
		func(i float64) float64 { return 1 + i/(n-1)*(1e-3-1) },
		func(i float64) float64 { return 100 * 100 * math.Pow(0.02*0.02/(100*100), i/(n-1)) },
		func(i float64) float64 { return u[int(math.Floor(8+(1000-1-8)/float64(n-1)*i+0.5))] },
		func(i float64) float64 { return power(80, 0.002, i/(n-1)) },
	} {
		c := Table1()[k]
		grid := c.Schedule(n, c.Sampling.Span())
		if len(grid) != n+1 || grid[n] != 0 {
			t.Fatalf("%s: times %v", c.Name, grid)
		}
		for i := range n {
			closeTo(t, fmt.Sprintf("%s: t_%d", c.Name, i), grid[i], want(float64(i)), 1e-10*grid[i])
		}
		if one := c.Schedule(1, c.Sampling.Span()); !slices.Equal(one, []float64{c.Sampling.Span().T, 0}) {
			t.Errorf("%s: one step is %v", c.Name, one)
		}
		if _, err := (Settings{Steps: 992, Schedule: c.Schedule}).times(c.Sampling.Span()); err != nil {
			t.Error(err)
		}
	}
	s := Table1()[2].Sampling
	if err := (Settings{}).check(IDDPMSchedule(991, s.Span()), s.Span()); err != nil {
		t.Error(err)
	}
	if err := (Settings{}).check(IDDPMSchedule(992, s.Span()), s.Span()); err == nil {
		t.Error("repeated levels passed")
	}
	if IDDPMSchedule(5, sde.Span{Eps: 1e5, T: 1e6}) != nil {
		t.Error("levels where there are none")
	}
}

// TestSameNoise: the noise levels are those of the first process, at whatever times of the second; ranges that do not fit
// are refused.
func TestSameNoise(t *testing.T) {
	vp, edm := sde.VP{BetaMin: 0.1, BetaMax: 20}, sde.EDM{Times: sde.Span{Eps: 0.02, T: 100}}
	grid := must(SameNoise(PowerSchedule(7), edm, vp))(20, vp.Span())
	for i, sigma := range must2(sde.ScheduleOf(vp, grid)) {
		closeTo(t, "noise level", sigma, PowerSchedule(7)(20, edm.Span())[i], 1e-9*sigma)
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

func must2(sigma, _ []float64, err error) []float64 { return must(sigma, err) }
