package train

import (
	"testing"
	"time"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestLearnedLevels: trained at the levels of SMLD and of DDPM only, the network learns the score there about as well as one
// that is trained at all times, whose largest Fisher errors are 0.038 and 0.13 (001-4, 001-6).
func TestLearnedLevels(t *testing.T) {
	b := onXLA(t)
	base, data, _ := fourGaussians(1500)
	base.Batch = 128
	ve := sde.VE{SigmaMin: 0.01, SigmaMax: 4, Times: sde.Span{Eps: 0, T: 1}}
	ddpm, err := sde.NewDDPM(sde.LinearBetas(100, 1e-3, 0.2))
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name   string
		s      sde.SDE
		levels int
		bound  float64 // hardly twice as much
	}{{"SMLD", ve, 50, 0.07}, {"DDPM", ddpm, 100, 0.2}} {
		cfg := base
		cfg.Objective = objective.DSM{SDE: c.s, Time: objective.Levels{N: c.levels}}
		start := time.Now()
		f := mustFit(t, cfg, data, Settings{Backend: b, Dir: t.TempDir()})
		wall := time.Since(start).Seconds()
		span, ts := c.s.Span(), []float64{}
		for i := 0; i < c.levels; i += 7 {
			ts = append(ts, span.Eps+(span.T-span.Eps)*float64(i)/float64(c.levels-1))
		}
		toGo(t, f.Store)
		points, err := score.Exact(dist.FourGaussians(), c.s).Fisher(backend.Go(), f.Func(), ts, 2000, 2)
		if err != nil {
			t.Fatal(err)
		}
		worst := score.MaxError(points)
		t.Logf("%s: Fisher error at most %.2g, trained in %.1f s", c.name, worst, wall)
		if !(worst < c.bound) {
			t.Errorf("%s: Fisher error at most %.3g at the levels, want < %g", c.name, worst, c.bound)
		}
	}
}
