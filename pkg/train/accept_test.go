package train

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gomlx/compute"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// onXLA opens the backend of tests that train for long.
func onXLA(t *testing.T) compute.Backend {
	t.Helper()
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
	return b
}

// evenly returns n times from 0.001 to 1.
func evenly(n int) []float64 {
	ts := make([]float64, n)
	for k := range ts {
		ts[k] = 1e-3 + (1-1e-3)*float64(k)/float64(n-1)
	}
	return ts
}

// TestLearnedScore is what the whole of training is for: half of the steps of the default setting, with batches half as
// large, learn the score of the four Gaussians of Yang and Batzolis (CCIMI report, 2021) to a Fisher error below 0.01 at
// every time.
func TestLearnedScore(t *testing.T) {
	b := onXLA(t)
	data := law.Sample(rand.New(rand.NewPCG(1, 0)), 50000)
	start := time.Now()
	cfg := Default("four-gaussians", process, nets.MLP{Width: 128, Depth: 3})
	cfg.Recipe = cfg.Over(6000)
	cfg.Batch = 256
	f := mustFit(t, cfg, data, Settings{Backend: b, Dir: t.TempDir()})
	wall := time.Since(start)
	errors, err := score.Exact(law, process).Fisher(b, f.Func(), evenly(21), 20000, 2)
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

// TestLearnedClassifier: an eighth of the steps of the reference classifier, with half of its batch, bring its accuracy to that of the
// best classifier, within 0.02 at every time (figure 4 of the report).
func TestLearnedClassifier(t *testing.T) {
	b := onXLA(t)
	_, data, labels := fourGaussians(3000)
	cfg := ClassifierDefault("four-gaussians-classifier", process, nets.MLP{Width: 64, Depth: 4, Output: 4}, 4)
	cfg.Recipe = cfg.Over(1500)
	cfg.Batch /= 2
	start := time.Now()
	f, err := FitClassifier(t.Context(), cfg, Rows(data), labels, Settings{Backend: b, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	wall, ts, worst := time.Since(start), evenly(11), 0.0
	for k, a := range accuracy(t, b, f, ts, 10000) {
		_, sigma := sde.At(process, ts[k])
		off := math.Abs(a.Value - bayes(sigma))
		worst = math.Max(worst, off)
		if !(off < 0.02) || a.Stderr > 0.003 {
			t.Errorf("t = %.3g: accuracy %.4f +- %.1g, want %.4f within 0.02", ts[k], a.Value, a.Stderr, bayes(sigma))
		}
	}
	t.Logf("accuracy off by at most %.2g, trained in %.1f s", worst, wall.Seconds())
}

// TestLearnedConditionalScore: an eighth of the steps of the reference conditional score, with half of its batch, bring the Fisher errors
// of the four classes, and of the unconditional score that the same network holds, below 0.03 and 0.2 at every time: the
// latter sees a fifth of the examples and has the harder task.
func TestLearnedConditionalScore(t *testing.T) {
	b := onXLA(t)
	cfg, data, labels := fourGaussians(1500)
	cfg.Net, cfg.Drop = nets.MLP{Width: 128, Depth: 3, Output: 2}, 0.2
	cfg.Batch /= 2
	y, err := score.OneHotRows(labels, 4)
	if err != nil {
		t.Fatal(err)
	}
	start := time.Now()
	f, err := Fit(t.Context(), cfg, Rows(data, y), Settings{Backend: b, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	wall := time.Since(start)
	toGo(t, f.Store)
	errors := conditionalErrors(t, backend.Go(), f, evenly(6), 2000)
	t.Logf("Fisher errors at most %.2g, trained in %.1f s", errors, wall.Seconds())
	for class, e := range errors {
		if bound := []float64{0.03, 0.03, 0.03, 0.03, 0.2}[class]; !(e < bound) {
			t.Errorf("condition %d: Fisher error %.3g, want < %g", class, e, bound)
		}
	}
}
