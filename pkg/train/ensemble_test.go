package train

import (
	"context"
	"errors"
	"fmt"
	"math"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
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

// bombs is a network whose output becomes infinite where its input noise says so: never, but for members whose sigma is
// above Above.
type bombs struct {
	nets.MLP
	Above float64
}

func (n bombs) ApplyEach(members int, weight func(path string, dims ...int) *Node, x, noise *Node) *Node {
	y := n.MLP.ApplyEach(members, weight, x, noise)
	hit := GreaterThan(noise, ConstAs(noise, math.Log(n.Above)/4)) // EDM's c_noise
	return Where(BroadcastToShape(Reshape(hit, hit.Shape().Dim(0), 1), y.Shape()), BroadcastToShape(ConstAs(y, math.Inf(1)), y.Shape()), y)
}

// TestFailedMember: a member whose loss stops being finite keeps the weights before it, its error names it and the step,
// and the others go on as if it were not there.
func TestFailedMember(t *testing.T) {
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		cfgs := different(3, 30)
		for m := range cfgs {
			cfgs[m].Net = bombs{nets.MLP{Width: 16, Depth: 2}, 10}
			edit(func(o *objective.DSM) { o.Time = objective.Uniform{} })(&cfgs[m])
		}
		calm := slices.Clone(cfgs)
		edit(func(o *objective.DSM) { o.SDE = sde.VE{SigmaMin: 0.01, SigmaMax: 10.3} })(&cfgs[1]) // above 10 in 1 of 230 draws
		trainer, set := NewTrainer(b), Settings{Dir: t.TempDir()}
		e := mustFitAll(t, trainer, cfgs, set)
		quiet := mustFitAll(t, trainer, calm, set)
		f := e.Members[1]
		if err := e.Failed[1]; err == nil || f.Steps < 1 || f.Steps >= 30 || !strings.Contains(err.Error(), fmt.Sprintf("member 1: loss or gradient is not finite at step %d", f.Steps)) {
			t.Fatalf("stopped after %d steps with error %v; choose another sigma if it never failed", f.Steps, err)
		}
		for path, w := range numbersOf(f) {
			for _, v := range w {
				if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
					t.Fatalf("%s holds %g", path, v)
				}
			}
		}
		for _, m := range []int{0, 2} {
			if e.Failed[m] != nil || e.Members[m].Steps != 30 {
				t.Errorf("member %d: %d steps, error %v", m, e.Members[m].Steps, e.Failed[m])
			}
			closeMembers(t, "beside a failure", e.Members[m], quiet.Members[m], 1e-5)
		}
		again := mustFitAll(t, trainer, cfgs, set)
		if !again.Loaded || again.Failed[1] == nil || again.Failed[1].Error() != e.Failed[1].Error() {
			t.Errorf("loaded %t with error %v", again.Loaded, again.Failed[1])
		}
	})
}

// TestEnsembleResume: an interrupted ensemble goes on to the last bit of what an uninterrupted one is, and a finished one
// is loaded without building anything.
func TestEnsembleResume(t *testing.T) {
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		cfgs := different(together+2, 400)
		want := mustFitAll(t, NewTrainer(b), cfgs, Settings{Dir: t.TempDir()})
		trainer, dir := NewTrainer(b), t.TempDir()
		ctx, cancel := context.WithCancel(t.Context())
		_, err := trainer.Fit(ctx, cfgs, points(500), Settings{Dir: dir, OnLoss: func(step int, _ float64) {
			if step > 20 {
				cancel()
			}
		}})
		if !errors.Is(err, context.Canceled) || !strings.Contains(err.Error(), "run again") {
			t.Fatalf("interrupted: %v", err)
		}
		got := mustFitAll(t, trainer, cfgs, Settings{Dir: dir})
		loader := NewTrainer(b)
		again := mustFitAll(t, loader, cfgs, Settings{Dir: dir})
		if got.Loaded || !again.Loaded || loader.Builds() != 0 {
			t.Errorf("loaded %t and %t, %d builds to load", got.Loaded, again.Loaded, loader.Builds())
		}
		for m := range cfgs {
			for path, w := range numbersOf(want.Members[m]) {
				if !slices.Equal(numbersOf(got.Members[m])[path], w) || !slices.Equal(numbersOf(again.Members[m])[path], w) {
					t.Errorf("member %d: %s differs", m, path)
				}
			}
			losses := want.Members[m].Losses
			if n := len(losses); n != cfgs[m].points() || losses[n-1].Step != 400 || !slices.Equal(got.Members[m].Losses, losses) {
				t.Errorf("member %d: losses %v, uninterrupted %v", m, got.Members[m].Losses, losses)
			}
		}
	})
}

// TestEnsembleLearns: members learn the score as Fit does.
func TestEnsembleLearns(t *testing.T) {
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		cfgs := make([]Config, 2)
		for m := range cfgs {
			cfgs[m], _ = small(600)
			cfgs[m].Net, cfgs[m].Seed = nets.MLP{Width: 16, Depth: 2}, int64(m)
		}
		for m, f := range mustFitAll(t, NewTrainer(b), cfgs, Settings{Dir: t.TempDir()}).Members {
			if e := maxFisher(t, b, f); !(e < 0.25) {
				t.Errorf("member %d: Fisher error %g", m, e)
			}
		}
	})
}

// TestEnsembleFunc: the score of all members has in the rows of each what the member's own has, and the process of all is
// that of each; sampling both together is the same as alone.
func TestEnsembleFunc(t *testing.T) {
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		const each = 3
		cfgs := different(4, 20)
		e := mustFitAll(t, NewTrainer(b), cfgs, Settings{Dir: t.TempDir()})
		x := host.Tensor(points(len(cfgs)*each), dtypes.Float32)
		all, err := e.Process(each)
		if err != nil {
			t.Fatal(err)
		}
		for _, ts := range [][]float32{{0.3}, {0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 1, 0.01, 0.02}} {
			exec := model.MustNewExec(b, model.NewStore(), func(_ *model.Scope, x, ts *Node) []*Node {
				var alone, sigma []*Node
				for m, f := range e.Members {
					rows := func(n *Node) *Node {
						if n.Shape().Dim(0) == 1 {
							return n
						}
						return SliceAxis(n, 0, AxisRange(m*each, (m+1)*each))
					}
					alone = append(alone, f.Func()(rows(x), rows(ts)))
					sigma = append(sigma, BroadcastToDims(f.SDE.Sigma(rows(ts)), each))
				}
				return []*Node{e.Func()(x, ts), Concatenate(alone, 0), BroadcastToDims(all.Sigma(ts), len(cfgs)*each), Concatenate(sigma, 0)}
			})
			out := exec.MustCall(x, ts)
			for k := 0; k < len(out); k += 2 {
				got, want := tensors.MustCopyFlatData[float32](out[k]), tensors.MustCopyFlatData[float32](out[k+1])
				for i := range want {
					if !(math.Abs(float64(got[i]-want[i])) <= 1e-4*(1+math.Abs(float64(want[i])))) {
						t.Errorf("%d times: output %d, number %d is %g, want %g", len(ts), k, i, got[i], want[i])
					}
				}
			}
			exec.Finalize()
		}
	})
}

// TestAdam: a step is GoMLX's with the same rate, for each member; one that is not ok changes nothing.
func TestAdam(t *testing.T) {
	const rate0, rate1 = 1e-2, 3e-4
	w := [][]float32{{1, -2, 0.5}, {3, 0.1, -1}, {1, 1, 1}}
	grads := [][]float32{{0.1, -3, 1e-5}, {2, 0.3, -1e-3}, {5, 5, 5}}
	var want [][]float32
	for m, rate := range []float64{rate0, rate1} {
		store := model.NewStore()
		store.RootScope().VariableWithValue("w", w[m])
		exec := model.MustNewExec(backend.Go(), store, func(scope *model.Scope, grad *Node) *Node {
			v := store.GetVariable("/w")
			v.NodeValue(grad)
			optimizer.Adam().LearningRate(rate).Done().(train.OptimizeWithGradients).UpdateGraphWithGradients(scope, []*Node{grad}, dtypes.Float32)
			return v.NodeValue(grad)
		})
		for range 5 {
			exec.MustCall(grads[m])
		}
		want = append(want, tensors.MustCopyFlatData[float32](store.GetVariable("/w").MustValue()))
	}
	want = append(want, w[2])
	step := MustNewExec(backend.Go(), func(i, w, grad, first, second, rate *Node) []*Node {
		ok := LessThan(rate, ConstAs(rate, 1.0))
		a, b, c := newAdam(i, rate, ok).apply(w, grad, first, second)
		return []*Node{a, b, c}
	})
	zero := tensors.FromValue([][]float32{{0, 0, 0}, {0, 0, 0}, {0, 0, 0}})
	state := []*tensors.Tensor{tensors.FromValue(w), zero, zero}
	for i := range 5 {
		state = step.MustCall(int32(i), state[0], grads, state[1], state[2], []float32{rate0, rate1, 1})
	}
	got := tensors.MustCopyFlatData[float32](state[0])
	for m := range want {
		for k, v := range want[m] {
			if d := math.Abs(float64(got[3*m+k] - v)); d > 1e-6*math.Abs(float64(w[m][k]))+1e-9 {
				t.Errorf("member %d: weight %d is %g, want %g", m, k, got[3*m+k], v)
			}
		}
	}
}

// TestInitialWeights: those of a member have the law of GoMLX's default, depend on its seed only, and start at 0 where they
// are biases.
func TestInitialWeights(t *testing.T) {
	layers := []layer{{"a", []int{50, 200}}, {"b", []int{200}}, {"c", []int{200, 100}}}
	cfgs := different(3, 1)
	s := newStack(layers, 3)
	s.initialise(cfgs)
	for k, l := range layers {
		for m := range cfgs {
			w := s.member(kindWeights, k, m)
			var sum, squares float64
			for _, v := range w {
				sum, squares = sum+float64(v), squares+float64(v)*float64(v)
			}
			n := float64(len(w))
			variance := 0.0
			if len(l.dims) == 2 {
				variance = 2 / float64(l.dims[0])
			}
			if math.Abs(sum/n) > 5*math.Sqrt(variance/n) || math.Abs(squares/n-variance) > 5*variance*math.Sqrt(2/n) {
				t.Errorf("layer %s of member %d: mean %g, variance %g, want 0 and %g", l.path, m, sum/n, squares/n, variance)
			}
		}
	}
	alone := newStack(layers, 1)
	alone.initialise(cfgs[2:])
	if !slices.Equal(alone.member(kindWeights, 2, 0), s.member(kindWeights, 2, 2)) || slices.Equal(s.member(kindWeights, 2, 0), s.member(kindWeights, 2, 1)) {
		t.Error("initial weights depend on the place, or not on the seed")
	}
}

// TestIncompatible: what cannot be an ensemble is refused before a folder is made, and the error names the field and the
// members.
func TestIncompatible(t *testing.T) {
	cases := []struct {
		says   string
		change func(c *Config)
	}{
		{"Steps is 10 and 11", func(c *Config) { c.Steps++ }},
		{"Batch is 32 and 33", func(c *Config) { c.Batch++ }},
		{"Net is nets.MLP MLP 2x16", func(c *Config) { c.Net = nets.MLP{Width: 17, Depth: 2} }},
		{"Parametrisation is edm and epsilon", func(c *Config) { c.Parametrisation = score.Epsilon }},
		{"Objective.Weighting", edit(func(o *objective.DSM) { o.Weighting = objective.Likelihood })},
		{"Objective.Time", edit(func(o *objective.DSM) { o.Time = objective.Uniform{} })},
		{"Objective.SDE is VE with 6 free numbers and VP", edit(func(o *objective.DSM) { o.SDE = sde.VP{BetaMin: 0.1, BetaMax: 20} })},
		{"member 1: ", func(c *Config) { c.LearningRate = -1 }},
		{"Drop = 0.1", func(c *Config) { c.Drop = 0.1 }},
		{"objective.DSM", func(c *Config) { c.Objective = objective.Implicit{SDE: process} }},
		{"ApplyEach", func(c *Config) { c.Net = bomb{} }},
		{"members 0 and 1 are the same", func(c *Config) { *c = different(2, 10)[0] }},
	}
	for _, c := range cases {
		cfgs, dir := different(2, 10), t.TempDir()+"/runs"
		c.change(&cfgs[1])
		_, err := FitAll(t.Context(), cfgs, points(10), Settings{Backend: backend.Go(), Dir: dir})
		if err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("got %v, want an error that says %q", err, c.says)
		}
		if _, err := os.Stat(dir); err == nil {
			t.Errorf("%s: a folder was made", c.says)
		}
	}
	if _, err := FitAll(t.Context(), nil, points(10), Settings{Backend: backend.Go(), Dir: t.TempDir()}); err == nil {
		t.Error("no members were accepted")
	}
	cfgs := different(2, 10)
	if err := Compatible(cfgs[0], cfgs[1]); err != nil {
		t.Error(err)
	}
	for m := range cfgs { // a law of times from a table belongs to one process
		edit(func(o *objective.DSM) { o.Time = objective.Importance{} })(&cfgs[m])
	}
	if err := Compatible(cfgs[0], cfgs[1]); err == nil || !strings.Contains(err.Error(), "Objective.SDE") {
		t.Errorf("two processes with times from tables: %v", err)
	}
	edit(func(o *objective.DSM) { o.SDE = cfgs[0].Objective.Process() })(&cfgs[1])
	if err := Compatible(cfgs[0], cfgs[1]); err != nil {
		t.Error(err)
	}
	spans := different(2, 3)
	for m := range spans {
		edit(func(o *objective.DSM) { o.SDE = sde.EDM{Times: sde.Span{Eps: 0.01, T: float64(1 + m)}} })(&spans[m])
	}
	e := mustFitAll(t, NewTrainer(backend.Go()), spans, Settings{Dir: t.TempDir()})
	if _, err := e.Process(2); err == nil || !strings.Contains(err.Error(), "members 0 and 1 have times") {
		t.Errorf("a process of different times: %v", err)
	}
}
