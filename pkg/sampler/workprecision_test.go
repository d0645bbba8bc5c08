package sampler

import (
	"context"
	"math"
	"testing"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestWorkPrecision: with the exact score, few evaluations by a solver of second order leave a gap that a method of first
// order needs many times as many for; both gaps vanish, and the numbers of evaluations are those taken.
func TestWorkPrecision(t *testing.T) {
	law := dist.FourGaussians()
	s := sde.EDM{Times: sde.Span{Eps: 0.01, T: 4}}
	p := Problem{SDE: s, Score: score.Exact(law, s), N: 40000, Dim: 2}
	edm := PowerSchedule(7)
	points, err := WorkPrecision(context.Background(), backend.MustOpen(), p, law, []Effort{
		{Heun{}, edm, []int{9, 18}},
		{PC{Predictor: DDIM{}}, edm, []int{18, 400}},
		{PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{SNR: 0.16}}, nil, []int{20}},
	}, Settings{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	gap := map[int]WorkPoint{}
	for i, w := range points {
		t.Logf("%s, %d steps: NFE %d, gap %.4f +- %.4f, %v", w.Method, w.Steps, w.NFE, w.Gap, w.Stderr, w.Elapsed)
		gap[i] = w
	}
	for i, nfe := range []int{18, 36, 18, 400, 40} {
		if points[i].NFE != nfe {
			t.Errorf("point %d: %d evaluations, want %d", i, points[i].NFE, nfe)
		}
	}
	small := func(w WorkPoint) bool { return math.Abs(w.Gap) < 0.01+5*w.Stderr }
	if !small(points[1]) || !small(points[3]) {
		t.Errorf("gaps of Heun at 36 and DDIM at 400 evaluations: %+v, %+v", points[1], points[3])
	}
	if !(math.Abs(points[2].Gap) > 2*math.Abs(points[1].Gap)) {
		t.Errorf("DDIM at 18 evaluations has a gap of %g, Heun at 36 one of %g", points[2].Gap, points[1].Gap)
	}
	if _, err := WorkPrecision(context.Background(), backend.Go(), p, nil, nil, Settings{}); err == nil {
		t.Error("no law was accepted")
	}
}
