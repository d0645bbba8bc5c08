package sampler

import (
	"context"
	"fmt"
	"testing"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sde"
)

// methods is the product of predictors and correctors, the absence of either included, grouped by predictor.
func methods() [][]PC {
	var all [][]PC
	for _, p := range append(Predictors(), nil) {
		group := []PC{}
		if p != nil {
			group = append(group, PC{Predictor: p})
		}
		for _, c := range Correctors(0.16) {
			group = append(group, PC{Predictor: p, Corrector: c})
		}
		all = append(all, group)
	}
	return all
}

// checkCell runs one method on one process and compares the moments of the samples to the chain's own.
func (m target) checkCell(t *testing.T, lab *Sampler, method PC) {
	t.Helper()
	s := lab.problem.SDE
	what := fmt.Sprintf("%s, %s", s, method)
	r, err := lab.Run(context.Background(), method, Settings{Steps: 5, Schedule: scheduleOf(s), Seed: 5})
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	allow := 0.0
	if l, ok := method.Corrector.(Langevin); ok && l.Norm == PerSample {
		allow = 0.005 // its state is not exactly Gaussian
	}
	m.checkMoments(t, what, r.Samples(), m.chain(s, method, r.Grid, prior(s)), allow)
}

// TestEverySDEWithEveryMethod is the product on the Go engine. It takes 32 dimensions, because the per-sample rule has
// no law to compare with in few.
func TestEverySDEWithEveryMethod(t *testing.T) {
	data := newTarget(32, 0.3)
	for _, s := range sde.All() {
		lab := must(New(backend.Go(), data.problem(s, 400)))
		for _, group := range methods() {
			for _, m := range group {
				data.checkCell(t, lab, m)
			}
		}
	}
}

// TestEverySDEWithEveryMethodOnDevice is the same on XLA, with five times the samples. Compilation takes most of the time
// there, and so every third process meets each predictor and each predictor meets each corrector, by rotation: what depends
// on all three at once is left to the Go engine, which builds the same graphs, and each process's formulas to pkg/sde.
func TestEverySDEWithEveryMethodOnDevice(t *testing.T) {
	b := xla(t)
	data := newTarget(32, 0.3)
	for i, s := range sde.All() {
		if i%3 != 0 {
			continue
		}
		lab := must(New(b, data.problem(s, 2000)))
		for k, group := range methods() {
			if group[0].Predictor == nil && i/3 >= len(group) {
				continue // the correctors alone have had their turns
			}
			data.checkCell(t, lab, group[(i/3+k)%len(group)])
		}
	}
}
