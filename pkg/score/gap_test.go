package score_test

import (
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestGap: the excess of any model vanishes up to noise. The exact score has explicit loss 0, the zero score has DSM
// loss d.
func TestGap(t *testing.T) {
	law, s, ts := dist.FourGaussians(), sde.VP{BetaMin: 0.1, BetaMax: 20}, []float64{0.01, 0.3}
	models := map[string]score.Func{
		"zero":  func(x, _ *Node) *Node { return ZerosLike(x) },
		"wild":  func(x, _ *Node) *Node { return Sin(MulScalar(x, 3)) },
		"exact": score.Exact(law, s).Score(),
	}
	for name, f := range models {
		points, err := score.Exact(law, s).Gap(backend.Go(), f, ts, 4000, 1)
		if err != nil {
			t.Fatal(err)
		}
		for _, p := range points {
			if math.Abs(p.Excess) > 5*p.Stderr+1e-4 {
				t.Errorf("%s at t = %g: excess %.4f with standard error %.4f", name, p.T, p.Excess, p.Stderr)
			}
			if name == "exact" && p.Explicit > 1e-6 {
				t.Errorf("exact score at t = %g: explicit loss %g", p.T, p.Explicit)
			}
			if name == "zero" && math.Abs(p.DSM-2) > 0.2 {
				t.Errorf("zero score at t = %g: DSM loss %.3f, want 2", p.T, p.DSM)
			}
		}
	}
	if _, err := score.Exact(law, s).Gap(backend.Go(), models["zero"], ts, 1, 1); err == nil {
		t.Error("one sample: want an error")
	}
}
