package train

import (
	"context"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
)

// labelled are points with their components, and the one-hot code of these.
func labelled(t *testing.T, n int) (data *mat.Dense, labels []int, y *mat.Dense) {
	t.Helper()
	data, labels = law.SampleLabelled(rand.New(rand.NewPCG(5, 0)), n)
	y, err := score.OneHotRows(labels, law.Components())
	if err != nil {
		t.Fatal(err)
	}
	return data, labels, y
}

func smallGiven(steps int) (Config, *int) {
	cfg, calls := small(steps)
	cfg.Net, cfg.Drop = counted{nets.MLP{Width: 16, Depth: 2, Output: 2}, calls}, 0.2
	return cfg, calls
}

// given is the condition "of that class", or none for class -1.
func given(class int) func(x *Node) *Node {
	row := make([]float64, law.Components())
	if class >= 0 {
		row[class] = 1
	}
	return func(x *Node) *Node {
		return BroadcastToDims(ConstAs(x, [][]float64{row}), x.Shape().Dim(0), len(row))
	}
}

// conditionalErrors are the largest Fisher errors of the scores of each class, against their exact ones, and of the one
// without condition, last.
func conditionalErrors(t *testing.T, b compute.Backend, f *Fitted, ts []float64, n int) []float64 {
	t.Helper()
	worst := make([]float64, law.Components()+1)
	for class := range worst {
		var want dist.Law = law
		y := given(-1)
		if class < law.Components() {
			want, y = law.Component(class), given(class)
		}
		p, err := score.Exact(want, process).Fisher(b, f.Func(score.Context{Given: y}), ts, n, 1)
		if err != nil {
			t.Fatal(err)
		}
		worst[class] = score.MaxError(p)
	}
	return worst
}

// TestFitGiven: one short training brings the errors of the four conditional scores and of the unconditional one far
// below those of scores of 0; it resumes and loads like Fit.
func TestFitGiven(t *testing.T) {
	b := backend.Go() // on XLA TestFit resumes and TestLearnedConditionalScore learns
	data, _, y := labelled(t, 1000)
	cfg, calls := smallGiven(600)
	fit := func(ctx context.Context, set Settings) (outcome, error) {
		f, err := Fit(ctx, cfg, Rows(data, y), set)
		return outcomeOf(t, &f.RunLog, f.Store, f.Name), err
	}
	f, err := Fit(t.Context(), cfg, Rows(data, y), Settings{Backend: b, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + 2; *calls != want { // the trial, tracing and the executable
		t.Errorf("built the network %d times, want %d", *calls, want)
	}
	for class, e := range conditionalErrors(t, b, f, []float64{0.3, 0.5, 0.7, 1}, 2000) {
		bound := 0.25 // 2 for a score of 0
		if class == law.Components() {
			bound = 0.8 // a fifth of the examples, and a law of four modes
		}
		if !(e < bound) {
			t.Errorf("condition %d: Fisher error %g after %d steps, want < %g", class, e, f.Steps, bound)
		}
	}
	checkResume(t, b, fit, outcomeOf(t, &f.RunLog, f.Store, f.Name))
}

// TestFittedTogether: two scores of one configuration but for the seed, and a classifier, serve in one graph, each with
// its own weights.
func TestFittedTogether(t *testing.T) {
	data, labels, _ := labelled(t, 50)
	set := Settings{Backend: backend.Go(), Dir: t.TempDir()}
	cfg, _ := small(3)
	one := mustFit(t, cfg, data, set)
	cfg.Seed++
	two := mustFit(t, cfg, data, set)
	classes, _ := smallClassifier(3)
	classifier, err := FitClassifier(t.Context(), classes, Rows(data), labels, set)
	if err != nil {
		t.Fatal(err)
	}
	call := func(f func(x, at *Node) []*Node) []*tensors.Tensor {
		t.Helper()
		exec, err := model.NewExec(backend.Go(), model.NewStore(), func(_ *model.Scope, x, at *Node) []*Node { return f(x, at) })
		if err != nil {
			t.Fatal(err)
		}
		defer exec.Finalize()
		out, err := exec.Call([][]float32{{1, 2}, {-1, 0.5}}, []float32{0.5})
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	parts := []func(x, at *Node) *Node{one.Func(), two.Func(), classifier.Func()}
	together := call(func(x, at *Node) (all []*Node) {
		for _, f := range parts {
			all = append(all, f(x, at))
		}
		return all
	})
	for k, f := range parts {
		alone := tensors.MustCopyFlatData[float32](call(func(x, at *Node) []*Node { return []*Node{f(x, at)} })[0])
		if got := tensors.MustCopyFlatData[float32](together[k]); !slices.Equal(got, alone) {
			t.Errorf("part %d gives %v among others, %v alone", k, got, alone)
		}
	}
	if a, b := together[0], together[1]; slices.Equal(tensors.MustCopyFlatData[float32](a), tensors.MustCopyFlatData[float32](b)) {
		t.Error("two seeds gave one score")
	}
	if one.Name != filepath.Base(one.Dir) {
		t.Errorf("model %q in folder %s", one.Name, one.Dir)
	}
}

// TestDropped: a row is kept as it is or becomes zeros as a whole, the latter with probability Drop.
func TestDropped(t *testing.T) {
	const n = 20000
	for name, b := range backendtest.All(t) {
		for _, drop := range []float64{0, 0.1, 0.7} {
			out, err := CallOnce(b, func(y *Node) *Node {
				return Config{Drop: drop}.dropped(noise.Once(y.Graph(), 3), y)
			}, mat2(n))
			if err != nil {
				t.Fatal(err)
			}
			got, dropped := tensors.MustCopyFlatData[float32](out), 0
			for i := range n {
				switch {
				case got[2*i] == 0 && got[2*i+1] == 0:
					dropped++
				case got[2*i] != 1 || got[2*i+1] != float32(i+1):
					t.Fatalf("%s: row %d became (%g, %g)", name, i, got[2*i], got[2*i+1])
				}
			}
			if se := math.Sqrt(drop * (1 - drop) / n); !(math.Abs(float64(dropped)/n-drop) <= 5*se) {
				t.Errorf("%s: dropped %d of %d, want a share of %g +- %.2g", name, dropped, n, drop, se)
			}
		}
	}
}

// mat2 has rows (1, i+1).
func mat2(n int) [][]float32 {
	m := make([][]float32, n)
	for i := range m {
		m[i] = []float32{1, float32(i + 1)}
	}
	return m
}

// TestBadConditions: what cannot be a condition, or a network for it, is named before a folder is made.
func TestBadConditions(t *testing.T) {
	data, _, y := labelled(t, 10)
	bad := mat.DenseCopyOf(y)
	bad.Set(3, 1, math.NaN())
	net := func(n score.Net) func(*Config) { return func(c *Config) { c.Net = n } }
	cases := []struct {
		name   string
		change func(c *Config)
		y      mat.Matrix
		says   string
	}{
		{"nil", func(*Config) {}, nil, "conditions: dataset: no data"},
		{"empty", func(*Config) {}, &mat.Dense{}, "0 x 0"},
		{"too few", func(*Config) {}, y.Slice(0, 9, 0, 4), "9 rows of conditions for 10 examples"},
		{"NaN", func(*Config) {}, bad, "row 3, column 1"},
		{"output of 3", net(nets.MLP{Width: 8, Depth: 1, Output: 3}), y, "want (Float32)[64, 2]"},
		{"net that panics", net(failing{}), y, "no such layer"},
		{"negative drop", func(c *Config) { c.Drop = -0.1 }, y, "Drop"},
		{"drop 1", func(c *Config) { c.Drop = 1 }, y, "Drop"},
		{"NaN drop", func(c *Config) { c.Drop = math.NaN() }, y, "Drop"},
		{"no steps", func(c *Config) { c.Steps = 0 }, y, "Steps"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg, _ := smallGiven(10)
			c.change(&cfg)
			dir := filepath.Join(t.TempDir(), "runs")
			f, err := Fit(t.Context(), cfg, Rows(data, c.y), Settings{Backend: backend.Go(), Dir: dir})
			if f != nil || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v and error %v, want one that says %q", f, err, c.says)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("a folder was made")
			}
		})
	}
	cfg, _ := smallGiven(10)
	if _, err := Fit(t.Context(), cfg, Rows(data), Settings{Backend: backend.Go(), Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "Drop") {
		t.Errorf("Fit with a dropped condition: %v", err)
	}
}

// TestIdentityGiven: condition and dropout are part of the run; a condition is not more data.
func TestIdentityGiven(t *testing.T) {
	data, _, y := labelled(t, 20)
	cfg, _ := smallGiven(10)
	id := func(c Config, tables ...mat.Matrix) string {
		t.Helper()
		id, err := idOf(c, tables...)
		if err != nil {
			t.Fatal(err)
		}
		return id
	}
	kept := cfg
	kept.Drop = 0
	other := mat.DenseCopyOf(y)
	other.SetRow(7, []float64{0.25, 0.25, 0.25, 0.25})
	var wide mat.Dense
	wide.Augment(data, y)
	seen := map[string]string{}
	for name, id := range map[string]string{
		"given": id(cfg, data, y), "kept": id(kept, data, y), "other condition": id(cfg, data, other),
		"no condition": id(kept, data), "as data": id(kept, &wide), "exchanged": id(cfg, y, data),
	} {
		if twin, ok := seen[id]; ok {
			t.Errorf("%q and %q share the id %s", name, twin, id)
		}
		seen[id] = name
	}
	if id(cfg, data, y) != id(cfg, mat.DenseCopyOf(data), mat.DenseCopyOf(y)) {
		t.Error("the same twice has two ids")
	}
}
