package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/sde"
)

// different are k configurations of one structure that differ in everything that members may differ in.
func different(k, steps int) []Config {
	cfgs := make([]Config, k)
	for m := range cfgs {
		c := Default("small", sde.VE{SigmaMin: 0.01 * float64(1+m%3), SigmaMax: 2 + float64(m)}, nets.MLP{Width: 16, Depth: 2})
		c.Steps, c.Batch, c.WarmUp, c.LearningRate = steps, 32, m, 1e-2/float64(1+m)
		c.ClipNorm, c.EMA, c.Seed = []float64{1, 0, 0.5}[m%3], []float64{0.9, 0, 0.99}[m%3], int64(m-2)
		cfgs[m] = c
	}
	return cfgs
}

func mustFitAll(t *testing.T, trainer *Trainer, cfgs []Config, set Settings) *Ensemble {
	t.Helper()
	e, err := trainer.Fit(t.Context(), cfgs, points(500), set)
	if err != nil {
		t.Fatal(err)
	}
	return e
}

// numbersOf are the weights and averages of a member.
func numbersOf(f *Fitted) map[string][]float32 {
	all := map[string][]float32{}
	for v := range f.Store.IterVariables() {
		all[strings.ReplaceAll(v.Path(), f.Name, "")] = tensors.MustCopyFlatData[float32](v.MustValue())
	}
	return all
}

// closeMembers compares all numbers of two members.
func closeMembers(t *testing.T, what string, got, want *Fitted, tolerance float64) {
	t.Helper()
	a, b := numbersOf(got), numbersOf(want)
	for path, w := range b {
		if len(a[path]) != len(w) {
			t.Errorf("%s: %s has %d numbers, want %d", what, path, len(a[path]), len(w))
			continue
		}
		for i := range w {
			if d := math.Abs(float64(a[path][i] - w[i])); !(d <= tolerance*(1+math.Abs(float64(w[i])))) {
				t.Errorf("%s: %s differs by %g", what, path, d)
				break
			}
		}
	}
}

// TestMembers: a member of many is what it is alone, in whatever place, whether it trains beside the others or in its turn.
func TestMembers(t *testing.T) {
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		const steps = 30
		cfgs := different(together+1, steps)
		trainer := NewTrainer(b)
		all := mustFitAll(t, trainer, cfgs, Settings{Dir: t.TempDir()})
		turned := slices.Clone(cfgs)
		slices.Reverse(turned)
		mixed := mustFitAll(t, trainer, turned, Settings{Dir: t.TempDir()})
		if trainer.Builds() != 1 {
			t.Errorf("%d executables for two ensembles of one shape, want 1", trainer.Builds())
		}
		for m, c := range cfgs {
			if all.Failed[m] != nil || all.Members[m].Steps != steps {
				t.Errorf("member %d: %d steps, error %v", m, all.Members[m].Steps, all.Failed[m])
			}
			closeMembers(t, "in another place", mixed.Members[len(cfgs)-1-m], all.Members[m], 1e-4)
			if m%4 != 0 {
				continue
			}
			alone := mustFitAll(t, trainer, []Config{c}, Settings{Dir: t.TempDir()})
			closeMembers(t, "alone", alone.Members[0], all.Members[m], 1e-4)
		}
		if trainer.Builds() != 2 {
			t.Errorf("%d executables for two shapes, want 2", trainer.Builds())
		}
	})
}

var _ = objective.DSM{}
