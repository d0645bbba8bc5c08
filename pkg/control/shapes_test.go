package control

import (
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dataset"
	"github.com/scoresde/scoresde/pkg/likelihood"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
	"github.com/scoresde/scoresde/pkg/train"
)

// TestEveryShape: examples of the shapes {2} and {8, 8, 1} go through training, every sampler, likelihood and control, and give
// what the vectors of their numbers give.
func TestEveryShape(t *testing.T) {
	s := sde.VP{BetaMin: 0.1, BetaMax: 20}
	for _, shape := range [][]int{{2}, {8, 8, 1}} {
		d := 1
		for _, k := range shape {
			d *= k
		}
		data := normalRows(200, d)
		shaped, flat := fitted(t, s, data, shape), fitted(t, s, data, []int{d})
		for k, p := range flat.Losses {
			if got := shaped.Losses[k].Loss; math.Abs(got-p.Loss) > 1e-6*p.Loss {
				t.Errorf("%v: loss %.9g at step %d, want %.9g", shape, got, p.Step, p.Loss)
			}
		}
		asVectors := score.Flat(shaped.Func(), shape...)
		same := func(what string, got, want *mat.Dense) {
			var gap mat.Dense
			gap.Sub(got, want)
			if worst := mat.Norm(&gap, math.Inf(1)); !(worst < 1e-3) {
				t.Errorf("%v: %s differs by %.2g from that of vectors", shape, what, worst)
			}
		}
		problem := func(f score.Func, shape ...int) *sampler.Sampler {
			return must(sampler.New(backend.Go(), sampler.Problem{SDE: s, Score: f, N: 8, Shape: shape}))
		}
		pictures, vectors, views := problem(shaped.Func(), shape...), problem(flat.Func(), d), problem(asVectors, d)
		for _, m := range everySampler() {
			set := sampler.Settings{Steps: 5, Seed: 2}
			same(m.String(), run(t, pictures, m, set).Samples(), run(t, vectors, m, set).Samples())
		}
		density := func(f score.Func) *mat.Dense {
			r, err := must(likelihood.New(backend.Go(), f, s, d)).LogProb(t.Context(), data.Slice(0, 3, 0, d), likelihood.Settings{})
			if err != nil {
				t.Fatal(err)
			}
			floats.Scale(1/float64(d), r.LogProb)
			return mat.NewDense(1, 3, r.LogProb)
		}
		same("likelihood", density(asVectors), density(flat.Func()))
		for name := range conditional(s, flat.Func(), d) {
			got := run(t, views, conditional(s, asVectors, d)[name], sampler.Settings{Steps: 5, Seed: 2}).Samples()
			same(name, got, run(t, vectors, conditional(s, flat.Func(), d)[name], sampler.Settings{Steps: 5, Seed: 2}).Samples())
		}
	}
}

// normalRows are n examples of N(0, 0.25 I).
func normalRows(n, d int) *mat.Dense {
	rng, x := rand.New(rand.NewPCG(3, 0)), mat.NewDense(n, d, nil)
	x.Apply(func(_, _ int, _ float64) float64 { return 0.5 * rng.NormFloat64() }, x)
	return x
}

// fitted is a small network trained on data seen in a shape.
func fitted(t *testing.T, s sde.SDE, data *mat.Dense, shape []int) *train.Fitted {
	t.Helper()
	cfg := train.Default(fmt.Sprint("shape", len(shape)), s, nets.MLP{Width: 16, Depth: 2})
	cfg.Recipe, cfg.Batch = cfg.Over(30), 32
	x, err := dataset.Rows(data, shape...)
	if err != nil {
		t.Fatal(err)
	}
	f, err := train.Fit(t.Context(), cfg, train.Data{X: x}, train.Settings{Backend: backend.Go(), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// everySampler has every predictor and every corrector, and the methods that are neither.
func everySampler() []sampler.Method {
	all := []sampler.Method{
		sampler.Heun{Churn: 0.3}, sampler.DPMSolver2M{}, sampler.DEIS{}, sampler.UniPC{}, sampler.Family{Ratio: 0.5}, sampler.StochasticDDIM{Eta: 0.5},
	}
	for _, p := range slices.Concat(sampler.Predictors(), sampler.Deterministic()) {
		all = append(all, sampler.PC{Predictor: p})
	}
	for _, c := range sampler.Correctors(0.16) {
		all = append(all, sampler.PC{Predictor: sampler.ReverseDiffusion{}, Corrector: c})
	}
	return all
}

// conditional are methods given the first coordinate, by name.
func conditional(s sde.SDE, f score.Func, d int) map[string]sampler.Method {
	mask := make([]bool, d)
	mask[0] = true
	o := must(Known(mask, row(0.7)))
	twist := o.PiGDM(f, s, 0.5)
	return map[string]sampler.Method{
		"replacement": Impute(sampler.PC{Predictor: sampler.ReverseDiffusion{}, Corrector: sampler.Langevin{SNR: 0.1}}, o),
		"RePaint":     sampler.PC{Predictor: RePaint{sampler.Ancestral{}, o, 2}},
		"DPS":         sampler.PC{Predictor: DPS{Predictor: sampler.Ancestral{}, Observation: o}},
		"particles":   NewTwisted(twist, 4),
	}
}
