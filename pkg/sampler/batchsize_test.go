package sampler

import (
	"context"
	"testing"

	"github.com/gomlx/compute"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sde"
)

// independent are methods whose step of a sample does not look at the other samples.
func independent() []Method {
	all := []Method{Heun{Churn: 0.3}, Heun{}, DPMSolver2M{}, DEIS{}, UniPC{}, Family{0.7}, StochasticDDIM{0.5}}
	for _, group := range methods() {
		for _, m := range group {
			if l, ok := m.Corrector.(Langevin); !ok || l.Norm != BatchMean {
				all = append(all, m)
			}
		}
	}
	return all
}

// TestEveryBatchSize: samples 0 to 99 of a run of 100 are those of a run of 1000 with the same seed, for every method that
// does not look at the batch, adaptive steps and the step to noise 0 among them; a corrector with the norm of the batch's mean
// gives others.
func TestEveryBatchSize(t *testing.T) {
	const few, many = 100, 1000
	data := target{[]float64{0.5, -1}, 0.3}
	vp := sde.VP{BetaMin: 0.1, BetaMax: 20}
	labs := func(b compute.Backend) (*Sampler, *Sampler) {
		return must(New(b, data.problem(vp, few))), must(New(b, data.problem(vp, many)))
	}
	gap := func(small, large *Sampler, m Method, set Settings) float64 {
		x := must(small.Run(context.Background(), m, set)).Samples()
		y := must(large.Run(context.Background(), m, set)).Samples()
		return mat.Norm(sub(y.Slice(0, few, 0, 2), x), 1) // the largest sum of a column
	}
	small, large := labs(backend.Go())
	for _, m := range independent() {
		if d := gap(small, large, m, Settings{Steps: 4, Seed: 3}); !(d < 1e-3) {
			t.Errorf("%s: samples move by %g with the size of the batch", m, d)
		}
	}
	batch := PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{0.16, BatchMean}}
	if d := gap(small, large, batch, Settings{Steps: 4, Seed: 3}); !(d > 0.01) {
		t.Errorf("%s: samples move by %g, and it divides by a mean over the batch", batch, d)
	}
	last := Settings{Steps: 4, Seed: 3, LastMean: true}
	if d := gap(small, large, PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{0.16, Expected}, CorrectorFirst: true}, last); !(d < 1e-3) {
		t.Errorf("with the step to noise 0, samples move by %g", d)
	}
	x, y := adapt(t, small, equal(0.05), Settings{Seed: 1}).Samples(), adapt(t, large, equal(0.05), Settings{Seed: 1}).Samples()
	if d := mat.Norm(sub(y.Slice(0, few, 0, 2), x), 1); !(d < 1e-3) {
		t.Errorf("with adaptive steps, samples move by %g", d)
	}
	if b := backend.MustOpen(); backend.OnDevice(b) {
		small, large = labs(b)
		for _, m := range []Method{PC{Predictor: Ancestral{}, Corrector: Langevin{0.16, PerSample}}, Heun{Churn: 0.3}} {
			if d := gap(small, large, m, Settings{Steps: 4, Seed: 3}); !(d < 1e-3) {
				t.Errorf("%s on %s: samples move by %g with the size of the batch", m, b.Name(), d)
			}
		}
	}
}

func sub(a, b mat.Matrix) *mat.Dense {
	var d mat.Dense
	d.Sub(a, b)
	return &d
}
