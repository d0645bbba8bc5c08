package study

import (
	"context"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestWorkPrecision: with the exact score, few evaluations by a solver of second order leave a gap that a method of first
// order needs many times as many for; both gaps vanish, and the numbers of evaluations are those taken.
func TestWorkPrecision(t *testing.T) {
	law := dist.FourGaussians()
	s := sde.EDM{Times: sde.Span{Eps: 0.01, T: 4}}
	p := sampler.Problem{SDE: s, Score: score.Exact(law, s).Score(), N: 40000, Shape: []int{2}}
	edm := sampler.PowerSchedule(7)
	points, err := WorkPrecision(context.Background(), backend.MustOpen(), p, law, []Effort{
		{Method: sampler.Heun{}, Schedule: edm, Steps: []int{9, 18}},
		{Method: sampler.PC{Predictor: sampler.DDIM{}}, Schedule: edm, Steps: []int{18, 400}},
		{Method: sampler.PC{Predictor: sampler.ReverseDiffusion{}, Corrector: sampler.Langevin{SNR: 0.16}}, Steps: []int{20}},
		{Method: sampler.UniPC{}, Schedule: edm, Steps: []int{200}},
		{Tolerances: []sampler.Tolerance{{Abs: 0.01, Rel: 0.01}}},
	}, sampler.Settings{Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	gap := map[int]WorkPoint{}
	for i, w := range points {
		t.Logf("%s, %d steps: NFE %d, gap %.4f +- %.4f, %v", w.Method, w.Steps, w.NFE, w.Gap, w.Stderr, w.Elapsed)
		gap[i] = w
	}
	for i, nfe := range []int{18, 36, 18, 400, 40, 200} {
		if points[i].NFE != nfe {
			t.Errorf("point %d: %d evaluations, want %d", i, points[i].NFE, nfe)
		}
	}
	small := func(w WorkPoint, gap float64) bool { return math.Abs(w.Gap) < gap+5*w.Stderr }
	if !small(points[1], 0.02) || !small(points[3], 0.02) || !small(points[5], 0.001) {
		t.Errorf("gaps of Heun at 36, DDIM at 400 and UniPC at 200 evaluations: %+v, %+v, %+v", points[1], points[3], points[5])
	}
	for i, w := range points {
		if noisy := i == 4 || i == 6; noisy != (w.Stderr > 0.003) { // the plain mean of 40 000 has .0055
			t.Errorf("point %d: standard error %g", i, w.Stderr)
		}
	}
	if w := points[6]; !small(w, 0.03) || w.NFE < 2*w.Steps {
		t.Errorf("adaptive steps: %+v", w)
	}
	if !(math.Abs(points[2].Gap) > 2*math.Abs(points[1].Gap)) {
		t.Errorf("DDIM at 18 evaluations has a gap of %g, Heun at 36 one of %g", points[2].Gap, points[1].Gap)
	}
	if _, err := WorkPrecision(context.Background(), backend.Go(), p, nil, nil, sampler.Settings{}); err == nil {
		t.Error("no law was accepted")
	}
	for _, set := range []sampler.Settings{{Denoise: true}, {LastMean: true}} {
		if _, err := WorkPrecision(context.Background(), backend.Go(), p, law, nil, set); err == nil || !strings.Contains(err.Error(), "want neither") {
			t.Errorf("Denoise %t, LastMean %t: got %v", set.Denoise, set.LastMean, err)
		}
	}
}

// TestGapUnbiased: the gap of exact samples is 0 and that of wrong ones what the plain mean finds, with and without use of
// the control.
func TestGapUnbiased(t *testing.T) {
	law, n := dist.FourGaussians(), 20000
	s := sde.EDM{Times: sde.Span{Eps: 0.01, T: 4}}
	p := sampler.Problem{SDE: s, Score: score.Exact(law, s).Score(), N: n, Shape: []int{2}}
	rng := rand.New(rand.NewPCG(3, 0))
	set := sampler.Settings{Init: sampler.Tensor(law.Noised(1, 4).Sample(rng, n), 0)}
	g, err := newGap(context.Background(), backend.MustOpen(), p, law, set, rng)
	if err != nil {
		t.Fatal(err)
	}
	wide := mat.NewDense(n, 2, nil)
	wide.Scale(1.05, law.Noised(1, 0.01).Sample(rng, n))
	plain, err := g.surprise(wide)
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string]struct {
		x    *mat.Dense
		want float64
		tol  float64
	}{
		"exact": {law.Noised(1, 0.01).Sample(rng, n), 0, 0},
		"wide":  {wide, stat.Mean(plain, nil) - g.entropy.Value, 0.001},
	} {
		got, err := g.of(c.x)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(got.Value-c.want) > 5*got.Stderr+c.tol {
			t.Errorf("%s: gap %g +- %g, want %g", what, got.Value, got.Stderr, c.want)
		}
	}
}
