package sweep

import (
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scoresde/scoresde/pkg/run"
)

// config has fields of every kind that plans vary.
type config struct {
	Law      string  `toml:"law"`
	SigmaMax float64 `toml:"sigma_max"`
	Steps    int     `toml:"steps"`
	Seed     int64   `toml:"seed"`
	Denoise  bool    `toml:"denoise"`
	Net      struct {
		Width int `toml:"width"`
	} `toml:"net"`
}

func base() config {
	c := config{Law: "ring", SigmaMax: 4, Steps: 100, Seed: 1}
	c.Net.Width = 8
	return c
}

func must[T any](t *testing.T) func(v T, err error) T {
	return func(v T, err error) T {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return v
	}
}

func ids(p Plan) (all []string) {
	for _, trial := range p.Trials {
		all = append(all, trial.ID)
	}
	return all
}

// TestGrid: every combination, the last axis fastest, nothing else changed.
func TestGrid(t *testing.T) {
	p := must[Plan](t)(Grid("grid", base(), Over("law", "ring", "board"), Over("net.width", 8, 16), Over("sigma_max", 1, 2), Seeds(3, 5)))
	configs := must[[]config](t)(decode[config](p))
	if len(configs) != 2*2*2*3 {
		t.Fatalf("%d trials, want 24", len(configs))
	}
	i := 0
	for _, law := range []string{"ring", "board"} {
		for _, width := range []int{8, 16} {
			for _, sigma := range []float64{1, 2} {
				for seed := int64(3); seed <= 5; seed++ {
					want := base()
					want.Law, want.Net.Width, want.SigmaMax, want.Seed = law, width, sigma, seed
					if configs[i] != want {
						t.Errorf("trial %d is %+v, want %+v", i, configs[i], want)
					}
					i++
				}
			}
		}
	}
}

// TestIDs (faults.md, row 30): the id of a trial depends on its configuration alone, whatever else is in the plan, in
// which order the axes stand, and whether a number was written 4 or 4.0.
func TestIDs(t *testing.T) {
	grid := func(axes ...Axis) Plan { return must[Plan](t)(Grid("grid", base(), axes...)) }
	few := grid(Over("sigma_max", 1, 4), Seeds(1, 2))
	more := grid(Seeds(0, 3), Over("sigma_max", 0.5, 1.0, 2.0, 4.0))
	for _, id := range ids(few) {
		if len(id) != 12 || !slices.Contains(ids(more), id) {
			t.Errorf("id %q is not in the larger plan", id)
		}
	}
	if single := grid(); !slices.Contains(ids(few), single.Trials[0].ID) {
		t.Error("the base has another id than the same values on axes")
	}
	// The hash of a fixed text: ids must not change from one version to the next.
	if got := idOf([]byte("a = 1\n")); got != "4b6b24ab3f3b" {
		t.Errorf("id %s: old results would not be found", got)
	}
}

func TestRandom(t *testing.T) {
	laws := []Law{LogUniform("sigma_max", 1e-2, 1e2), Choice("law", "ring", "board")}
	plan := func(n int, seed int64, laws ...Law) []config {
		p := must[Plan](t)(Random("random", base(), Search{n, seed, laws}))
		return must[[]config](t)(decode[config](p))
	}
	few, many := plan(10, 7, laws...), plan(2000, 7, laws...)
	if !slices.Equal(few, many[:10]) {
		t.Error("a larger search does not begin with the smaller one")
	}
	if slices.Equal(few, plan(10, 8, laws...)) {
		t.Error("two seeds gave the same draws")
	}
	for k, c := range plan(10, 7, append([]Law{Uniform("sigma_max", 0, 1)}, laws[1])...) {
		if c.Law != few[k].Law {
			t.Error("another law of one key changed the draws of another")
		}
	}
	// ln sigma is uniform on [ln 0.01, ln 100]: mean 0, variance L^2/12 with L = 4 ln 10.
	sum, rings := 0.0, 0
	for _, c := range many {
		if !(c.SigmaMax >= 1e-2 && c.SigmaMax < 1e2) {
			t.Fatalf("drew %g", c.SigmaMax)
		}
		sum += math.Log(c.SigmaMax) / 2000
		if c.Law == "ring" {
			rings++
		}
	}
	if se := 4 * math.Log(10) / math.Sqrt(12*2000); math.Abs(sum) > 5*se {
		t.Errorf("mean of ln sigma is %.3f, want 0 within 5 s.e. of %.3f", sum, se)
	}
	if math.Abs(float64(rings)-1000) > 5*math.Sqrt(500) {
		t.Errorf("%d rings of 2000, want half of them", rings)
	}
	p := must[Plan](t)(Random("random", base(), Search{3, 7, laws}, Seeds(1, 5)))
	if len(p.Trials) != 15 || !slices.Equal(p.Axes, []string{"sigma_max", "law", "seed"}) {
		t.Errorf("%d trials over %v", len(p.Trials), p.Axes)
	}
}

// TestRefusals (faults.md, row 28): bad plans are refused before anything is made of them.
func TestRefusals(t *testing.T) {
	ten := Axis{Key: "?", Values: make([]any, 10)}
	billion := make([]Axis, 9)
	for k := range billion {
		billion[k] = ten
		billion[k].Key = string(rune('a' + k))
	}
	astronomic := make([]Axis, 25)
	for k := range astronomic {
		astronomic[k] = ten
		astronomic[k].Key = "k" + string(rune('a'+k))
	}
	search := func(laws ...Law) func() (Plan, error) {
		return func() (Plan, error) { return Random("r", base(), Search{5, 1, laws}) }
	}
	grid := func(axes ...Axis) func() (Plan, error) {
		return func() (Plan, error) { return Grid("g", base(), axes...) }
	}
	for name, c := range map[string]struct {
		plan func() (Plan, error)
		want []string
	}{
		"unknown key":       {grid(Over("sigma_mx", 1)), []string{`"sigma_mx"`, `"sigma_max"`}},
		"unknown inner key": {grid(Over("net.widht", 1)), []string{`"net.widht"`, "width"}},
		"wrong type":        {grid(Over("steps", "many")), []string{"steps", "many"}},
		"fraction":          {grid(Over("steps", 1.5)), []string{"steps", "1.5"}},
		"no value":          {grid(Over[any]("steps", nil)), []string{"steps"}},
		"table":             {grid(Over("net", map[string]any{"width": 1, "depth": 2})), []string{"net"}},
		"injection":         {grid(Over("steps = 1\nlaw", "x")), []string{"axis"}},
		"duplicate axis":    {grid(Over("steps", 1), Over("steps", 2)), []string{`two axes "steps"`}},
		"duplicate value":   {grid(Over("sigma_max", 1, 2, 1.0)), []string{`axis "sigma_max"`, "1 twice"}},
		"empty axis":        {grid(Axis{Key: "steps"}), []string{`axis "steps" has no values`}},
		"no seeds":          {grid(Seeds(2, 1)), []string{`axis "seed" has no values`}},
		"1e9 trials":        {grid(billion...), []string{"10 x 10 x 10 x 10 x 10 x 10 x 10 x 10 x 10 = 1000000000 trials", "at most 100000"}},
		"1e25 trials":       {grid(astronomic...), []string{"more than 2^64", "at most 100000"}},
		"1e9 seeds":         {grid(Seeds(1, 1e9)), []string{"1000000000"}},
		"all seeds":         {grid(Seeds(math.MinInt64, math.MaxInt64)), []string{"seed"}},
		"overflow to 0":     {grid(Seeds(1, 1<<32), Axis{Key: "steps", first: 1, count: 1 << 32}), []string{"more than 2^64"}},
		"law and axis": {func() (Plan, error) {
			return Random("r", base(), Search{5, 1, []Law{Uniform("steps", 0, 1)}}, Over("steps", 1))
		}, []string{`two axes "steps"`}},
		"law of a whole one":   {search(Uniform("steps", 0, 1)), []string{"steps"}},
		"law of nothing":       {search(Uniform("sigma", 0, 1)), []string{`"sigma"`}},
		"empty interval":       {search(Uniform("sigma_max", 1, 1)), []string{"sigma_max"}},
		"log of 0":             {search(LogUniform("sigma_max", 0, 1)), []string{"sigma_max"}},
		"no choice":            {search(Choice[int]("steps")), []string{"steps"}},
		"no law":               {search(), []string{"0 laws"}},
		"zero law":             {search(Law{Key: "steps"}), []string{"steps"}},
		"fewer choices than N": {search(Choice("steps", 1, 2)), []string{"only 2 different"}},
		"1e9 draws":            {func() (Plan, error) { return Random("r", base(), Search{1e9, 1, []Law{Uniform("sigma_max", 0, 1)}}) }, []string{"1000000000"}},
		"name":                 {func() (Plan, error) { return Grid("../x", base()) }, []string{`"../x"`}},
	} {
		t.Run(name, func(t *testing.T) {
			p, err := c.plan()
			if err == nil {
				t.Fatalf("planned %d trials", len(p.Trials))
			}
			for _, w := range c.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
			if run.ExitCode(err) != run.ExitPermanent {
				t.Errorf("exit code %d", run.ExitCode(err))
			}
		})
	}
}

// TestFreeze (faults.md, row 30): an edited plan keeps the trials that are in both, and says what it added and removed.
func TestFreeze(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "sweep")
	first := must[Plan](t)(Grid("p", base(), Over("sigma_max", 1, 2, 3)))
	second := must[Plan](t)(Grid("p", base(), Over("sigma_max", 0.5, 2, 3)))
	d := must[Diff](t)(first.Freeze(dir))
	if len(d.Added) != 3 || len(d.Kept)+len(d.Removed) != 0 {
		t.Errorf("first: %s", d)
	}
	if d = must[Diff](t)(first.Freeze(dir)); len(d.Kept) != 3 || len(d.Added)+len(d.Removed) != 0 {
		t.Errorf("again: %s", d)
	}
	d = must[Diff](t)(second.Freeze(dir))
	if !slices.Equal(d.Kept, ids(first)[1:]) || !slices.Equal(d.Added, ids(second)[:1]) || !slices.Equal(d.Removed, ids(first)[:1]) {
		t.Errorf("edited: %+v", d)
	}
	back := must[Plan](t)(ReadPlan(dir))
	if !back.same(second) {
		t.Errorf("read back %+v, want %+v", back, second)
	}
	other := second
	other.Name = "q"
	if _, err := other.Freeze(dir); err == nil || !strings.Contains(err.Error(), `"p"`) {
		t.Errorf("another plan took the folder over: %v", err)
	}
	path := filepath.Join(dir, planFile)
	whole := must[[]byte](t)(os.ReadFile(path))
	for n := range len(whole) - 1 { // the last byte is a line break
		if err := os.WriteFile(path, whole[:n], 0o644); err != nil {
			t.Fatal(err)
		}
		if _, err := ReadPlan(dir); err == nil {
			t.Fatalf("read a plan cut after byte %d of %d", n, len(whole))
		}
	}
}

// TestHostilePlans: a plan that was written by hand, or damaged, must not make folders elsewhere, nor run what its ids do
// not say.
func TestHostilePlans(t *testing.T) {
	for name, text := range map[string]string{
		"path as id":    `{"version":1,"name":"p","axes":[],"trials":[{"id":"../../x","config":"a = 1\n"}]}`,
		"other config":  `{"version":1,"name":"p","axes":[],"trials":[{"id":"4b6b24ab3f3b","config":"a = 2\n"}]}`,
		"path as name":  `{"version":1,"name":"../p","axes":[],"trials":[{"id":"4b6b24ab3f3b","config":"a = 1\n"}]}`,
		"twice":         `{"version":1,"name":"p","axes":[],"trials":[{"id":"4b6b24ab3f3b","config":"a = 1\n"},{"id":"4b6b24ab3f3b","config":"a = 1\n"}]}`,
		"no trials":     `{"version":1,"name":"p","axes":[],"trials":[]}`,
		"other version": `{"version":2,"name":"p","axes":[],"trials":[{"id":"4b6b24ab3f3b","config":"a = 1\n"}]}`,
		"bad axis":      `{"version":1,"name":"p","axes":["a b"],"trials":[{"id":"4b6b24ab3f3b","config":"a = 1\n"}]}`,
		"null":          `null`,
		"empty":         ``,
	} {
		if p, err := parsePlan([]byte(text)); err == nil {
			t.Errorf("%s: read %+v", name, p)
		}
	}
	if _, err := parsePlan([]byte(`{"version":1,"name":"p","axes":["a"],"trials":[{"id":"4b6b24ab3f3b","config":"a = 1\n"}]}`)); err != nil {
		t.Errorf("a good one: %v", err)
	}
}
