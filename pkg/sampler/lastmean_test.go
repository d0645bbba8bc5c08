package sampler

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestLastMean: the step to noise 0 is the mean that the transition x_t = Alpha x_0 + Sigma z gives each predictor, on every
// process, and for ancestral steps and DDIM it is the posterior mean.
func TestLastMean(t *testing.T) {
	law := newTarget(2, 0.4).law()
	for name, b := range backendtest.All(t) {
		for k, s := range sde.All() {
			if k > 0 && name != "go" { // elsewhere each of these compiles
				break
			}
			alpha, sigma := sde.At(s, s.Span().T)
			x := law.Noised(alpha, sigma).Sample(source(1), 5)
			posterior := must(dist.DenoiseAt(law, x, alpha, sigma))
			lab := must(New(b, Problem{SDE: s, Score: score.Exact(law, s), N: 5, Dim: 2, DType: dtypes.Float64}))
			for _, p := range []Predictor{ReverseDiffusion{}, Ancestral{}, WideAncestral{}, DDIM{}} {
				got := run(t, lab, PC{Predictor: p}, Settings{Steps: 1, LastMean: true, Init: Tensor(x, dtypes.Float64)})
				if got.NFE != 1 || got.Step != 1 || len(got.Grid) != 2 || got.Grid[1] != 0 {
					t.Errorf("%s, %s, %s: %d evaluations in %d steps along %v", name, s, p, got.NFE, got.Step, got.Grid)
				}
				for i, d := range posterior.RawMatrix().Data {
					want, x := d, x.RawMatrix().Data[i]
					if p == (ReverseDiffusion{}) { // Sigma^2 score = Alpha D - x
						want = (2-alpha)*x + alpha*d - x
					}
					closeTo(t, name+", "+s.String()+", "+p.String(), got.Samples().RawMatrix().Data[i], want, 1e-8*(1+math.Abs(x)))
				}
			}
		}
	}
}

// TestPaperSampler: with N levels the published sampler takes 2N evaluations, and its last step, with the corrections before
// it, brings samples closer to the data than they were at Eps, after the same steps with the same noise. Another N compiles
// nothing in the loop.
func TestPaperSampler(t *testing.T) {
	b, err := backend.Open()
	if err != nil {
		t.Fatal(err)
	}
	const n, levels, entropy = 20_000, 20, 1.0041 // of the four Gaussians
	law, s := dist.FourGaussians(), sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	lab := must(New(b, Problem{SDE: s, Score: score.Exact(law, s), N: n, Dim: 2}))
	m := PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{0.16, BatchMean}, CorrectorFirst: true}
	surprise := func(set Settings) []float64 {
		set.Seed = 1
		r := run(t, lab, m, set)
		if r.NFE != 2*set.Steps {
			t.Errorf("%d evaluations in %d steps, want two each", r.NFE, set.Steps)
		}
		logs := must(dist.LogProbAt(law, r.Samples(), 1, 0))
		floats.Scale(-1, logs)
		return logs
	}
	mean, stop, equal := surprise(Settings{Steps: levels, LastMean: true}), surprise(Settings{Steps: levels - 1}), surprise(Settings{Steps: levels})
	difference := make([]float64, n)
	floats.SubTo(difference, stop, mean)
	gain, spread := stat.MeanStdDev(difference, nil)
	stderr := spread / math.Sqrt(n)
	gap := func(surprise []float64) float64 { return stat.Mean(surprise, nil) - entropy }
	t.Logf("cross-entropy gap: %.4f nats with the last mean, %.4f at Eps after the same steps (difference %.4f +- %.4f), %.4f at Eps with as many evaluations",
		gap(mean), gap(stop), gain, stderr, gap(equal))
	if !(gain > 3*stderr) {
		t.Errorf("the last mean gains %.4f +- %.4f nats, want more than 3 standard errors", gain, stderr)
	}
	if run(t, lab, m, Settings{Steps: 7, LastMean: true, Seed: 2}); lab.Builds() != 1 {
		t.Errorf("%d executables, want 1", lab.Builds())
	}
}

// TestLastMeanRefuses: what the step to noise 0 does not go with.
func TestLastMeanRefuses(t *testing.T) {
	s := sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	lab := must(New(backend.Go(), newTarget(1, 1).problem(s, 2)))
	for want, c := range map[string]struct {
		m   Method
		set Settings
	}{
		"Settings.Denoise":               {PC{Predictor: Ancestral{}}, Settings{Steps: 2, LastMean: true, Denoise: true}},
		"want a PC":                      {Heun{}, Settings{Steps: 2, LastMean: true}},
		"no step to noise 0":             {PC{Predictor: EulerMaruyama{}}, Settings{Steps: 2, LastMean: true}},
		"N >= 1":                         {PC{Predictor: Ancestral{}}, Settings{Steps: 0, LastMean: true}},
		"want falling times within":      {PC{Predictor: Ancestral{}}, Settings{Steps: 3, LastMean: true, Schedule: ToZero(nil)}},
		"snapshot at t = 2 lies outside": {PC{Predictor: Ancestral{}}, Settings{Steps: 1, LastMean: true, Snapshots: []float64{2}}},
	} {
		if _, err := lab.Run(t.Context(), c.m, c.set); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: got %v", want, err)
		}
	}
}
