package train

import (
	"math/rand/v2"
	"testing"
	"time"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/score"
)

// TestLearnedScore is what the whole of training is for: the default setting learns the score of the four Gaussians of
// Yang and Batzolis (CCIMI report, 2021) to a Fisher error below 0.01 at every time.
func TestLearnedScore(t *testing.T) {
	if testing.Short() {
		t.Skip("trains for half a minute")
	}
	b, err := backend.Open()
	if err != nil {
		t.Fatal(err)
	}
	if !backend.OnDevice(b) {
		t.Skip("needs XLA")
	}
	data := law.Sample(rand.New(rand.NewPCG(1, 0)), 50000)
	start := time.Now()
	f := mustFit(t, Default("four-gaussians", process, nets.MLP{Width: 128, Depth: 3}), data, Settings{Backend: b, Dir: t.TempDir()})
	wall := time.Since(start)
	const points = 21
	ts := make([]float64, points)
	for k := range ts {
		ts[k] = 1e-3 + (1-1e-3)*float64(k)/(points-1)
	}
	errors, err := score.Fisher(b, f.Func(), f.Store, law, process, ts, 20000, 2)
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("Fisher error at most %.2g, trained in %.1f s", score.MaxError(errors), wall.Seconds())
	for _, p := range errors {
		if !(p.Error < 0.01) {
			t.Errorf("t = %.3g: Fisher error %.3g +- %.1g, want < 0.01", p.T, p.Error, p.Stderr)
		}
	}
}
