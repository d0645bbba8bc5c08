package sampler

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// endless are all processes, with a chain and one that has no time of noise 0: Sigma is NaN there, and Alpha not 1.
func endless() []sde.SDE {
	betas := make([]float64, 50)
	for i := range betas {
		betas[i] = 0.002 + 0.2*float64(i)/50
	}
	alpha := func(t *Node) *Node { return MulScalar(Exp(Neg(t)), 0.9) }
	sigma := func(t *Node) *Node { return Sqrt(AddScalar(t, -0.05)) }
	late := sde.FromKernel("late", alpha, sigma, sde.Span{Eps: 0.1, T: 1}, 1)
	return append(sde.All(), must(sde.NewDDPM(betas)), late)
}

// TestLastMean: the step to noise 0 is the mean that the transition x_t = Alpha x_0 + Sigma z gives each predictor, on every
// process, and for ancestral steps and DDIM it is the posterior mean.
func TestLastMean(t *testing.T) {
	law := newTarget(2, 0.4).law()
	for name, b := range backendtest.All(t) {
		for k, s := range endless() {
			if k > 0 && name != "go" { // elsewhere each of these compiles
				break
			}
			alpha, sigma := sde.At(s, s.Span().T)
			x := law.Noised(alpha, sigma).Sample(source(1), 5)
			posterior := must(dist.DenoiseAt(law, x, alpha, sigma))
			lab := must(New(b, Problem{SDE: s, Score: score.Exact(law, s).Score(), N: 5, Shape: []int{2}, DType: dtypes.Float64}))
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

// TestLawOfLastMean compares the moments of samples to those of the recursion, for every process, predictor and place of the
// corrector, and counts the evaluations of N levels: 2N if the corrector goes first, 2N-1 if it follows, N without.
func TestLawOfLastMean(t *testing.T) {
	const n = 5
	data := newTarget(32, 0.3)
	l := Langevin{0.16, Expected}
	for _, s := range endless() {
		lab := must(New(backend.Go(), data.problem(s, 400)))
		for _, p := range []Predictor{ReverseDiffusion{}, Ancestral{}, WideAncestral{}, DDIM{}} {
			for m, nfe := range map[PC]int{{Predictor: p}: n, {Predictor: p, Corrector: l}: 2*n - 1, {Predictor: p, Corrector: l, CorrectorFirst: true}: 2 * n} {
				r := run(t, lab, m, Settings{Steps: n, LastMean: true, Schedule: scheduleOf(s), Seed: 5})
				what := fmt.Sprintf("%s, %s", s, m)
				if r.NFE != nfe || r.Step != n || len(r.Grid) != n+1 || r.Grid[n-1] != s.Span().Eps {
					t.Errorf("%s: %d evaluations in %d steps along %v, want %d in %d", what, r.NFE, r.Step, r.Grid, nfe, n)
				}
				data.checkMoments(t, what, r.Samples(), data.ended(s, m, r.Grid, prior(s)), 0)
			}
		}
	}
}

// TestPaperSampler: with N levels the published sampler takes 2N evaluations, and its last step, with the corrections before
// it, brings samples closer to the data than they were at Eps, after the same steps with the same noise. Against as many
// evaluations up to Eps it gains nothing that could be asserted: -0.001 +- 0.001 nats over 4 seeds of 100 000 samples.
func TestPaperSampler(t *testing.T) {
	b, err := backend.Open()
	if err != nil {
		t.Fatal(err)
	}
	const n, levels, entropy = 20_000, 20, 1.0046 // of the four Gaussians
	law, s := dist.FourGaussians(), sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	lab := must(New(b, Problem{SDE: s, Score: score.Exact(law, s).Score(), N: n, Shape: []int{2}}))
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
}

// TestLastMeanOneBuild: the loop and the step to noise 0 are one executable each, whatever knobs, steps, seed, schedule and start.
func TestLastMeanOneBuild(t *testing.T) {
	for name, b := range backendtest.All(t) {
		traced := 0
		p := newTarget(2, 0.3).problem(vp, 20)
		exact := p.Score
		p.Score = func(x, t *Node) *Node { traced++; return exact(x, t) }
		lab := must(New(b, p))
		with := func(snr float64) PC {
			return PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{snr, Expected}, CorrectorFirst: true}
		}
		first := run(t, lab, with(0.16), Settings{Steps: 20, LastMean: true})
		before := traced
		run(t, lab, with(0.3), Settings{Steps: 57, LastMean: true, Seed: 8, Schedule: PowerSchedule(3)})
		var ends [][]float64 // of the last step alone
		for _, c := range []struct {
			snr  float64
			seed int64
		}{{0.1, 1}, {0.2, 1}, {0.1, 2}, {0.1, 1}} {
			ends = append(ends, flat(run(t, lab, with(c.snr), Settings{Steps: 1, LastMean: true, Init: first.X, Seed: c.seed}).X))
		}
		if lab.Builds() != 1 || len(lab.lasts) != 1 || traced != before {
			t.Errorf("%s: %d loops, %d last steps and %d new tracings, want 1, 1 and 0", name, lab.Builds(), len(lab.lasts), traced-before)
		}
		if slices.Equal(ends[0], ends[1]) || slices.Equal(ends[0], ends[2]) || !slices.Equal(ends[0], ends[3]) {
			t.Errorf("%s: of the last step, want other samples for another SNR or seed and the same for the same", name)
		}
	}
}

// TestBeforeLastMean: a snapshot at Eps is the state before the last step, and the times that a schedule returns stay as they are.
func TestBeforeLastMean(t *testing.T) {
	lab := must(New(backend.Go(), newTarget(2, 0.3).problem(vp, 10)))
	eps := vp.Span().Eps
	times := []float64{1, 0.5, eps, 7}
	schedule := func(int, sde.Span) []float64 { return times[:3] }
	ended := run(t, lab, usual, Settings{Steps: 3, LastMean: true, Seed: 4, Schedule: schedule, Snapshots: []float64{eps, 1}})
	stopped := run(t, lab, usual, Settings{Steps: 2, Seed: 4, Schedule: schedule})
	if snap := ended.Snapshots[0]; snap.T != eps || !slices.Equal(flat(snap.X), flat(stopped.X)) || ended.Snapshots[1].T != 1 {
		t.Errorf("snapshots at t = %g and %g, want %g, with the state there, and 1", snap.T, ended.Snapshots[1].T, eps)
	}
	if times[3] != 7 || ended.Elapsed <= 0 {
		t.Errorf("the schedule's array is %v, the time %s", times, ended.Elapsed)
	}
}

// TestLastMeanNonFinite: a step to noise 0 that breaks is reported as those of the loop are.
func TestLastMeanNonFinite(t *testing.T) {
	p := newTarget(2, 0.3).problem(vp, 10)
	exact, eps := p.Score, vp.Span().Eps
	p.Score = func(x, t *Node) *Node { // NaN at Eps
		return sde.Times(Sqrt(AddScalar(t, -2*eps)), exact(x, t))
	}
	r, err := must(New(backend.Go(), p)).Run(context.Background(), PC{Predictor: Ancestral{}}, Settings{Steps: 4, LastMean: true})
	if err == nil || !strings.Contains(err.Error(), "NaN or infinite after step 4 of 4, at noise 0") {
		t.Errorf("got %v", err)
	}
	if r.Status != NonFinite || r.Step != 3 || r.NFE != 4 {
		t.Errorf("status %s at step %d after %d evaluations, want non-finite at 3 after 4", r.Status, r.Step, r.NFE)
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
