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
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

func smallClassifier(steps int) (ClassifierConfig, *int) {
	calls := new(int)
	cfg := ClassifierDefault("small-classifier", process, counted{nets.MLP{Width: 16, Depth: 2, Output: 4}, calls}, 4)
	cfg.Steps, cfg.Batch, cfg.WarmUp, cfg.LearningRate, cfg.EMA = steps, 64, steps/10, 1e-2, 0.95
	return cfg, calls
}

// accuracy is the share of noised points of FourGaussians at each of ts whose largest posterior is that of the component
// they come from, averaged over the components, and its standard error.
func accuracy(t *testing.T, b compute.Backend, f *FittedClassifier, ts []float64, n int) []score.Mean {
	t.Helper()
	all := make([]score.Mean, len(ts))
	classes := law.Components()
	for class := range classes {
		rng := rand.New(rand.NewPCG(9, uint64(class)))
		means, err := score.Exact(law.Component(class), process).Expect(b, ts, n, rng, func(x, _, t *Node) []*Node {
			logP := f.Func()(x, t)
			own := Slice(logP, AxisRange(), AxisElem(class))
			return []*Node{ConvertDType(GreaterOrEqual(Squeeze(own, -1), ReduceMax(logP, -1)), x.DType())}
		})
		if err != nil {
			t.Fatal(err)
		}
		for k, m := range means {
			all[k].Value += m[0].Value / float64(classes)
			all[k].Stderr = math.Hypot(all[k].Stderr, m[0].Stderr/float64(classes))
		}
	}
	return all
}

// bayes is the accuracy of the best classifier of dist.FourGaussians at noise sigma: each decision boundary is a
// diagonal, at a distance of 1/sqrt 2 from the two centres next to it.
func bayes(sigma float64) float64 {
	return math.Pow(distuv.UnitNormal.CDF(1/(math.Sqrt2*math.Hypot(0.2, sigma))), 2)
}

// TestFitClassifier: one short training separates the classes as well as can be at small noise and a little less at large
// noise; it resumes and loads like Fit.
func TestFitClassifier(t *testing.T) {
	b := backend.Go() // TestLearnedClassifier runs on XLA
	data, labels, _ := labelled(t, 1000)
	cfg, calls := smallClassifier(600)
	fit := func(ctx context.Context, set Settings) (outcome, error) {
		f, err := FitClassifier(ctx, cfg, Rows(data), labels, set)
		return outcomeOf(t, &f.RunLog, f.Store, f.Name), err
	}
	f, err := FitClassifier(t.Context(), cfg, Rows(data), labels, Settings{Backend: b, Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if want := 1 + 2; *calls != want { // the trial, tracing and the executable
		t.Errorf("built the network %d times, want %d", *calls, want)
	}
	ts := []float64{0.01, 0.4, 0.7, 1}
	for k, a := range accuracy(t, b, f, ts, 1000) {
		_, sigma := sde.At(process, ts[k])
		if !(a.Value < bayes(sigma)+5*a.Stderr+1e-3 && a.Value > bayes(sigma)-5*a.Stderr-0.03) {
			t.Errorf("t = %g: accuracy %g +- %g, at best %g", ts[k], a.Value, a.Stderr, bayes(sigma))
		}
	}
	checkResume(t, b, fit, outcomeOf(t, &f.RunLog, f.Store, f.Name))
}

// TestBadLabels: what cannot be classified, or a network for it, is named before a folder is made.
func TestBadLabels(t *testing.T) {
	data, labels, _ := labelled(t, 10)
	with := func(label int) []int {
		l := slices.Clone(labels)
		l[3] = label
		return l
	}
	cases := []struct {
		name   string
		change func(c *ClassifierConfig)
		labels []int
		says   string
	}{
		{"none", func(*ClassifierConfig) {}, nil, "0 labels for 10 examples"},
		{"too many", func(*ClassifierConfig) {}, append(slices.Clone(labels), 0), "11 labels for 10 examples"},
		{"negative", func(*ClassifierConfig) {}, with(-1), "label 3 is -1"},
		{"beyond", func(*ClassifierConfig) {}, with(4), "label 3 is 4"},
		{"one class", func(c *ClassifierConfig) { c.Classes = 1 }, make([]int, 10), "Classes = 1"},
		{"fewer logits", func(c *ClassifierConfig) { c.Net = nets.MLP{Width: 8, Depth: 1} }, labels, "want (Float32)[64, 4]"},
		{"net that panics", func(c *ClassifierConfig) { c.Net = failing{} }, labels, "no such layer"},
		{"nil net", func(c *ClassifierConfig) { c.Net = nil }, labels, "Net"},
		{"net of width 0", func(c *ClassifierConfig) { c.Net = nets.MLP{Depth: 1, Output: 4} }, labels, "width 0"},
		{"nil SDE", func(c *ClassifierConfig) { c.Objective.SDE = nil }, labels, "want a process"},
		{"time sampler that panics", func(c *ClassifierConfig) { c.Objective.Time = late{} }, labels, "too late"},
		{"no batch", func(c *ClassifierConfig) { c.Batch = 0 }, labels, "Batch"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg, _ := smallClassifier(10)
			c.change(&cfg)
			dir := filepath.Join(t.TempDir(), "runs")
			f, err := FitClassifier(t.Context(), cfg, Rows(data), c.labels, Settings{Backend: backend.Go(), Dir: dir})
			if f != nil || err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v and error %v, want one that says %q", f, err, c.says)
			}
			if _, err := os.Stat(dir); err == nil {
				t.Error("a folder was made")
			}
		})
	}
	cfg, _ := smallClassifier(10)
	if _, err := FitClassifier(t.Context(), cfg, Rows(nil), labels, Settings{Backend: backend.Go(), Dir: t.TempDir()}); err == nil || !strings.Contains(err.Error(), "no data") {
		t.Errorf("without data: %v", err)
	}
}

// failing is a network that cannot be built.
type failing struct{}

func (failing) Apply(*model.Scope, score.Inputs) *Node { panic("no such layer") }
func (failing) String() string                         { return "failing" }

// TestClassifierNotFinite: training a classifier stops where its logits do.
func TestClassifierNotFinite(t *testing.T) {
	data, labels, _ := labelled(t, 50)
	for i := range labels {
		labels[i] %= 2
	}
	cfg, _ := smallClassifier(30)
	cfg.Net, cfg.Classes = bomb{At: 7}, 2
	f, err := FitClassifier(t.Context(), cfg, Rows(data), labels, Settings{Backend: backend.Go(), Dir: t.TempDir()})
	if err == nil || !strings.Contains(err.Error(), "not finite at step 7") {
		t.Fatalf("got %v", err)
	}
	if f.Steps != 7 {
		t.Errorf("kept %d steps, want 7", f.Steps)
	}
}

// TestIdentityClassifier: whatever changes what is trained changes the run, and nothing else does.
func TestIdentityClassifier(t *testing.T) {
	data, labels, y := labelled(t, 20)
	seen := map[string]string{}
	check := func(name string, change func(c *ClassifierConfig), y mat.Matrix) {
		t.Helper()
		cfg, _ := smallClassifier(10)
		change(&cfg)
		id, err := idOf(cfg, data, y)
		if err != nil {
			t.Fatal(err)
		}
		if twin, ok := seen[id]; ok {
			t.Errorf("%q and %q share the id %s", name, twin, id)
		}
		seen[id] = name
	}
	labels[3] = (labels[3] + 1) % 4
	relabelled, err := score.OneHotRows(labels, 4)
	if err != nil {
		t.Fatal(err)
	}
	check("base", func(*ClassifierConfig) {}, y)
	check("labels", func(*ClassifierConfig) {}, relabelled)
	check("times", func(c *ClassifierConfig) { c.Objective.Time = nil }, y)
	check("importance", func(c *ClassifierConfig) { c.Objective.Time = objective.Importance{} }, y)
	check("process", func(c *ClassifierConfig) { c.Objective.SDE = sde.VE{SigmaMin: 0.01, SigmaMax: 5} }, y)
	check("steps", func(c *ClassifierConfig) { c.Steps++ }, y)
	check("seed", func(c *ClassifierConfig) { c.Seed++ }, y)
	check("net", func(c *ClassifierConfig) { c.Net = nets.MLP{Width: 17, Depth: 2, Output: 4} }, y)
	check("classes", func(c *ClassifierConfig) { c.Classes = 5 }, y)
	s := Default("small-classifier", process, nets.MLP{Width: 16, Depth: 2, Output: 4})
	if id, err := idOf(s, data, y); err != nil || seen[id] != "" {
		t.Errorf("a score and a classifier share the id %s, %v", id, err)
	}
}
