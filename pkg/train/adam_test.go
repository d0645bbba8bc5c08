package train

import (
	"math"
	"math/rand/v2"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/score"
)

// TestAdamAlone compares steps with Algorithm 1 of Kingma and Ba in float64 on the host, and with no step at all where the
// gradient is not a number.
func TestAdamAlone(t *testing.T) {
	grads := []float64{0.5, -2, 1e-3, 0, 3}
	for name, b := range backendtest.All(t) {
		step := MustNewExec(b, func(i, grad, w, m, v *Node) []*Node {
			rate := ConstAs(w, 0.01)
			w, m, v = newAdam(i, rate, IsFinite(grad)).apply(w, grad, m, v)
			return []*Node{w, m, v}
		})
		got := [3]float64{1, 0, 0}
		want := got
		for i, g := range append(grads, math.NaN()) {
			out := step.MustCall(int32(i), g, got[0], got[1], got[2])
			for k := range got {
				got[k] = out[k].Value().(float64)
			}
			if !math.IsNaN(g) {
				n := float64(i + 1)
				want[1] = adamFirst*want[1] + (1-adamFirst)*g
				want[2] = adamSecond*want[2] + (1-adamSecond)*g*g
				mean, square := want[1]/(1-math.Pow(adamFirst, n)), want[2]/(1-math.Pow(adamSecond, n))
				want[0] -= 0.01 * mean / (math.Sqrt(square) + adamEpsilon)
			}
			for k := range got {
				if !(math.Abs(got[k]-want[k]) <= 1e-9*math.Abs(want[k])) {
					t.Errorf("%s, step %d, gradient %g: number %d is %.9g, want %.9g", name, i, g, k, got[k], want[k])
				}
			}
		}
	}
}

// TestAverages: the averaged weights are never more than 5% worse than the last ones, whether the training was short or
// long: the mean over three seeds of the Fisher error, averaged over times.
func TestAverages(t *testing.T) {
	b, pool := onXLA(t), NewPool() // one executable for all of them
	data := law.Sample(rand.New(rand.NewPCG(1, 0)), 20000)
	for _, steps := range []int{500, 2000} {
		averaged, last := 0.0, 0.0
		for seed := range int64(3) {
			cfg := Default("averages", process, nets.MLP{Width: 128, Depth: 3})
			cfg.Recipe = cfg.Over(steps)
			cfg.Batch, cfg.Seed = 64, seed
			f := mustFit(t, cfg, data, Settings{Backend: b, Dir: t.TempDir(), Pool: pool})
			toGo(t, f.Store)
			for _, c := range []struct {
				sum *float64
				of  score.Func
			}{{&averaged, f.Func()}, {&last, f.Live()}} {
				errors, err := score.Exact(law, process).Fisher(backend.Go(), c.of, evenly(11), 500, 2) // the same points for both
				if err != nil {
					t.Fatal(err)
				}
				for _, p := range errors {
					*c.sum += p.Error / float64(3*len(errors))
				}
			}
		}
		t.Logf("%d steps: Fisher error %.4g with averaged weights, %.4g with the last ones, ratio %.3f", steps, averaged, last, averaged/last)
		if !(averaged <= 1.05*last) {
			t.Errorf("%d steps: averaged weights have %.3f times the error of the last ones, want at most 1.05", steps, averaged/last)
		}
	}
}

// toGo brings trained weights to where the Go engine can use them, which compiles nothing.
func toGo(t *testing.T, s *model.Store) {
	t.Helper()
	for v := range s.IterVariables() {
		if err := v.MustValue().ToLocal(); err != nil {
			t.Fatal(err)
		}
	}
}
