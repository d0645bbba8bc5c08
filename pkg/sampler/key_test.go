package sampler

import (
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sde"
)

// twins are two values of each structure of method, which differ in their knobs if it has any.
func twins(s sde.SDE) (all [][2]Method) {
	same := func(m Method) { all = append(all, [2]Method{m, m}) }
	rule, other := decoder("decoder", false, false), decoder("decoder", false, false)
	reverse := &ReverseOf{sde.Affine(s)}
	for _, p := range append(append(Predictors(), Deterministic()...), rule, other, reverse, nil) {
		if p != nil {
			same(PC{Predictor: p})
		}
		for k, c := range Correctors(0.1) {
			for corrections := 1; corrections <= 2; corrections++ {
				for _, first := range []bool{false, true} {
					a := PC{Predictor: p, Corrector: c, Corrections: corrections, CorrectorFirst: first}
					b := a
					b.Corrector = Correctors(0.2)[k]
					all = append(all, [2]Method{a, b})
				}
			}
		}
	}
	for _, m := range []Method{Heun{}, DPMSolver2M{}, DEIS{}, UniPC{}, forward{}, &simulated{sde.Affine(s)}, &simulated{sde.Affine(s)}} {
		same(m)
	}
	return append(all, [2]Method{Heun{Churn: 0.1}, Heun{Churn: 0.2}}, [2]Method{Family{0}, Family{0.5}}, [2]Method{StochasticDDIM{0}, StochasticDDIM{0.5}})
}

// TestKeys: keys are comparable, equal where knobs differ only, and different for different structures. Functions are
// different if they were made twice.
func TestKeys(t *testing.T) {
	seen := map[any]Method{}
	for _, m := range twins(vp) {
		if m[0].Key() != m[1].Key() {
			t.Errorf("%s: keys %v and %v, want equal ones", m[0], m[0].Key(), m[1].Key())
		}
		if before, ok := seen[m[0].Key()]; ok {
			t.Errorf("%s has the key of %s", m[0], before)
		}
		seen[m[0].Key()] = m[0]
	}
	for _, same := range [][2]PC{
		{{Predictor: Ancestral{}, Corrector: Langevin{SNR: 0.1}}, {Predictor: Ancestral{}, Corrector: Langevin{SNR: 0.2}, Corrections: 1}},
		{{Predictor: DDIM{}}, {Predictor: DDIM{}, CorrectorFirst: true}},
	} {
		if same[0].Key() != same[1].Key() {
			t.Errorf("%s: keys %v and %v, want equal ones", same[0], same[0].Key(), same[1].Key())
		}
	}
}

// TestKeysShare: two values of a structure share their executables, that of Settings.LastMean too.
func TestKeysShare(t *testing.T) {
	for _, pair := range twins(vp) {
		lab := must(New(backend.Go(), newTarget(2, 0.3).problem(vp, 2)))
		set := Settings{Steps: 2, Seed: 1}
		if pc, ok := pair[0].(PC); ok {
			_, set.LastMean = pc.Predictor.(toClean)
		}
		for _, m := range pair {
			switch m.(type) {
			case forward, *simulated:
				grid := []float64{vp.Span().Eps, 0.5, 1}
				must(lab.follow(t.Context(), m, grid, Settings{Init: Tensor(mat.NewDense(2, 2, []float64{1, 2, 3, 4}), 0)}))
			default:
				run(t, lab, m, set)
			}
		}
		if lab.Builds() != 1 || len(lab.begins) > 1 || len(lab.lasts) > 1 {
			t.Errorf("%s: %d builds, %d starts and %d last steps, want 1 of each at most", pair[0], lab.Builds(), len(lab.begins), len(lab.lasts))
		}
	}
}
