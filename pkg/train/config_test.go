package train

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestBadInput: whatever cannot work is named before a folder is made or a graph is built.
func TestBadInput(t *testing.T) {
	nan, inf := math.NaN(), math.Inf(1)
	good := func() *mat.Dense { return mat.NewDense(2, 2, []float64{1, 2, 3, 4}) }
	with := func(v float64) *mat.Dense {
		d := good()
		d.Set(1, 0, v)
		return d
	}
	cases := []struct {
		name   string
		change func(c *Config)
		data   mat.Matrix
		says   string
	}{
		{"no name", func(c *Config) { c.Name = "" }, good(), "Name"},
		{"name with a path", func(c *Config) { c.Name = "../x" }, good(), "Name"},
		{"hidden name", func(c *Config) { c.Name = ".." }, good(), "Name"},
		{"nil net", func(c *Config) { c.Net = nil }, good(), "Net"},
		{"net of width 0", func(c *Config) { c.Net = nets.MLP{Depth: 1} }, good(), "width 0"},
		{"net of depth 0", func(c *Config) { c.Net = nets.MLP{Width: 8} }, good(), "depth 0"},
		{"odd embedding", func(c *Config) {
			c.Net = nets.MLP{Width: 8, Depth: 1, Embed: nets.Embedding{Kind: nets.Fourier, Features: 3, Scale: 1}}
		}, good(), "3 features"},
		{"no parametrisation", func(c *Config) { c.Parametrisation = score.Parametrisation{} }, good(), "parametrisation"},
		{"unknown parametrisation", func(c *Config) { c.Parametrisation = score.Parametrisation{Name: "x"} }, good(), `"x"`},
		{"no steps", func(c *Config) { c.Steps = 0 }, good(), "Steps = 0"},
		{"negative steps", func(c *Config) { c.Steps = -3 }, good(), "Steps = -3"},
		{"no batch", func(c *Config) { c.Batch = 0 }, good(), "Batch = 0"},
		{"rate 0", func(c *Config) { c.LearningRate = 0 }, good(), "LearningRate"},
		{"negative rate", func(c *Config) { c.LearningRate = -1 }, good(), "LearningRate"},
		{"NaN rate", func(c *Config) { c.LearningRate = nan }, good(), "LearningRate"},
		{"infinite rate", func(c *Config) { c.LearningRate = inf }, good(), "LearningRate"},
		{"negative warm-up", func(c *Config) { c.WarmUp = -1 }, good(), "WarmUp"},
		{"negative clip", func(c *Config) { c.ClipNorm = -1 }, good(), "ClipNorm"},
		{"NaN clip", func(c *Config) { c.ClipNorm = nan }, good(), "ClipNorm"},
		{"EMA 1", func(c *Config) { c.EMA = 1 }, good(), "EMA"},
		{"negative EMA", func(c *Config) { c.EMA = -0.1 }, good(), "EMA"},
		{"NaN EMA", func(c *Config) { c.EMA = nan }, good(), "EMA"},
		{"nil SDE", edit(func(o *objective.DSM) { o.SDE = nil }), good(), "nil"},
		{"negative sigma", edit(func(o *objective.DSM) { o.SDE = sde.VE{SigmaMin: -1, SigmaMax: 4} }), good(), "SigmaMin -1"},
		{"sigma 0 at the start", func(c *Config) {
			edit(func(o *objective.DSM) { o.SDE = sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{T: 1}} })(c)
		}, good(), "Sigma"},
		{"bad min-SNR", edit(func(o *objective.DSM) { o.Weighting = objective.MinSNR(-1) }), good(), "lambda"},
		{"bad EDM weighting", edit(func(o *objective.DSM) { o.Weighting = objective.EDMWeighting(0) }), good(), "lambda"},
		{"bad time law", edit(func(o *objective.DSM) { o.Time = objective.LogNormalSigma{Std: -1} }), good(), "std -1"},
		{"time law off the span", edit(func(o *objective.DSM) { o.Time = objective.LogNormalSigma{Mean: 500, Std: 1} }), good(), "mass 0"},
		{"time sampler that panics", edit(func(o *objective.DSM) { o.Time = late{} }), good(), "too late"},
		{"nil data", func(*Config) {}, nil, "no data"},
		{"empty data", func(*Config) {}, &mat.Dense{}, "0 x 0"},
		{"NaN", func(*Config) {}, with(nan), "row 1, column 0"},
		{"infinity", func(*Config) {}, with(inf), "row 1, column 0"},
		{"beyond float32", func(*Config) {}, with(1e39), "row 1, column 0"},
		{"beyond its square", func(*Config) {}, with(1e30), "rescale"},
		{"zeros", func(*Config) {}, mat.NewDense(3, 2, nil), "rescale"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			cfg, calls := small(10)
			c.change(&cfg)
			dir := filepath.Join(t.TempDir(), "runs")
			f, err := Fit(t.Context(), cfg, Rows(c.data), Settings{Backend: backend.Go(), Dir: dir})
			if err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v and error %v, want one that says %q", f, err, c.says)
			}
			if _, err := os.Stat(dir); err == nil || *calls != 0 {
				t.Errorf("work began: folder error %v, network built %d times", err, *calls)
			}
		})
	}
}

// late is a time sampler that panics with something that is not an error, which locks a GoMLX Exec.
type late struct{}

func (late) Draw(sde.SDE, noise.Source, *Node) (t, weight *Node) { panic("too late") }
func (late) String() string                                      { return "late" }

// TestNoFolder: results that cannot be written are an error before the work, not after it. A file in the folder's place
// stops root too.
func TestNoFolder(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	cfg, calls := small(10)
	if _, err := Fit(t.Context(), cfg, Rows(points(10)), Settings{Backend: backend.Go(), Dir: file}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
	if *calls > 1 {
		t.Error("built more than a trial network first")
	}
}

// shifted is a time sampler with a parameter that its name does not show.
type shifted struct {
	objective.Uniform
	By float64
}

// TestIdentity: whatever changes what is trained changes the run's folder, and nothing else does.
func TestIdentity(t *testing.T) {
	base, _ := small(100)
	edit(func(o *objective.DSM) { o.SDE = sde.VP{BetaMin: 0.1, BetaMax: 20} })(&base)
	ids := map[string]string{}
	check := func(name string, c Config, data mat.Matrix) {
		t.Helper()
		if err := c.Validate(); err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		id, err := idOf(c, data)
		if err != nil {
			t.Fatal(err)
		}
		if other, ok := ids[id]; ok {
			t.Errorf("%q and %q share the id %s", name, other, id)
		}
		ids[id] = name
		if again, err := idOf(c, mat.DenseCopyOf(data)); err != nil || again != id {
			t.Errorf("%s: id %s, then %s, %v", name, id, again, err)
		}
	}
	data := points(20)
	check("base", base, data)
	kernel := func(rate float64) sde.SDE {
		return sde.FromKernel("mine", func(t *Node) *Node { return Exp(MulScalar(t, -rate)) },
			func(t *Node) *Node { return AddScalar(t, 0.1) }, sde.Span{Eps: 0.01, T: 1}, 1)
	}
	sdes := map[string]sde.SDE{
		"VP span": sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{Eps: 1e-3, T: 0.9}},
		"VP Eps":  sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{Eps: 1e-4, T: 1}},
		"VP rate": sde.VP{BetaMin: 0.1, BetaMax: 20.001},
		"sub-VP":  sde.SubVP{BetaMin: 0.1, BetaMax: 20},
		"VE":      sde.VE{SigmaMin: 0.01, SigmaMax: 4}, "VE clean": sde.VE{SigmaMin: 0.01, SigmaMax: 4, CleanStart: true},
		"VE span": sde.VE{SigmaMin: 0.01, SigmaMax: 4, Times: sde.Span{Eps: 1e-3, T: 1}},
		"kernel":  kernel(0.5), "other kernel of that name": kernel(0.6),
	}
	for name, s := range sdes {
		c := base
		edit(func(o *objective.DSM) { o.SDE = s })(&c)
		check(name, c, data)
	}
	for name, change := range map[string]func(c *Config){
		"steps":           func(c *Config) { c.Steps++ },
		"batch":           func(c *Config) { c.Batch++ },
		"rate":            func(c *Config) { c.LearningRate *= 1 + 1e-12 },
		"warm-up":         func(c *Config) { c.WarmUp++ },
		"clip":            func(c *Config) { c.ClipNorm = 2 },
		"EMA":             func(c *Config) { c.EMA = 0.9 },
		"seed":            func(c *Config) { c.Seed++ },
		"parametrisation": func(c *Config) { c.Parametrisation = score.Epsilon },
		"uniform":         edit(func(o *objective.DSM) { o.Time = objective.Uniform{} }),
		"log-normal":      edit(func(o *objective.DSM) { o.Time = objective.LogNormalSigma{Mean: -1.2, Std: 1.2} }),
		"log-normal 2":    edit(func(o *objective.DSM) { o.Time = objective.LogNormalSigma{Mean: -1.2, Std: 1.3} }),
		"hidden":          edit(func(o *objective.DSM) { o.Time = shifted{By: 1} }),
		"hidden 2":        edit(func(o *objective.DSM) { o.Time = shifted{By: 2} }),
		"weighting":       edit(func(o *objective.DSM) { o.Weighting = objective.EDMWeighting(0.5) }),
		"weighting 2":     edit(func(o *objective.DSM) { o.Weighting = objective.EDMWeighting(0.6) }),
		"min-SNR":         edit(func(o *objective.DSM) { o.Weighting = objective.MinSNR(5) }),
		"width":           func(c *Config) { c.Net = nets.MLP{Width: 17, Depth: 2} },
		"depth":           func(c *Config) { c.Net = nets.MLP{Width: 16, Depth: 3} },
		"embedding": func(c *Config) {
			c.Net = nets.MLP{Width: 16, Depth: 2, Embed: nets.Embedding{Kind: nets.Fourier, Features: 8, Scale: 1}}
		},
		"embedding 2": func(c *Config) {
			c.Net = nets.MLP{Width: 16, Depth: 2, Embed: nets.Embedding{Kind: nets.Fourier, Features: 8, Scale: 2}}
		},
	} {
		c := base
		change(&c)
		check(name, c, data)
	}
	other := mat.DenseCopyOf(data)
	other.Set(3, 1, float64(math.Nextafter32(float32(other.At(3, 1)), 9))) // the smallest change that training sees
	check("data", base, other)
	check("fewer data", base, data.Slice(0, 19, 0, 2))

	named := base
	named.Name = "other"
	a, _ := idOf(base, data)
	if b, err := idOf(named, data); err != nil || a != b {
		t.Errorf("the name changed the id: %s, %s, %v", a, b, err)
	}
}

// TestForeignCheckpoint: a checkpoint that another run left in the folder is refused, not continued.
func TestForeignCheckpoint(t *testing.T) {
	cfg, _ := small(5)
	dir := t.TempDir()
	set := Settings{Backend: backend.Go(), Dir: dir}
	f := mustFit(t, cfg, points(10), set)
	cfg.Seed++
	id, err := idOf(cfg, points(10))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(f.Dir, filepath.Join(dir, cfg.Name+"-"+id)); err != nil {
		t.Fatal(err)
	}
	if _, err := Fit(t.Context(), cfg, Rows(points(10)), set); err == nil || !strings.Contains(err.Error(), "belongs to run") {
		t.Errorf("got %v", err)
	}
}

// edit changes the denoising objective of a configuration.
func edit(change func(o *objective.DSM)) func(c *Config) {
	return func(c *Config) {
		o := c.Objective.(objective.DSM)
		change(&o)
		c.Objective = o
	}
}

// idOf is the identity of a run on tables.
func idOf(c interface {
	describe() (string, error)
	id(string, Data) string
}, tables ...mat.Matrix) (string, error) {
	what, err := c.describe()
	return c.id(what, Rows(tables[0], tables[1:]...)), err
}
