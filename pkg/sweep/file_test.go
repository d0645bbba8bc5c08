package sweep

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const exampleFile = `
seeds = 3
[base]
law = "board"
net.width = 16
[axes]
steps     = [10, 20]
sigma_max = [1, 2.5]
`

// TestReadFile: the file plans the same trials as the same grid in Go, in the order of the file.
func TestReadFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "example.toml")
	if err := os.WriteFile(path, []byte(exampleFile), 0o644); err != nil {
		t.Fatal(err)
	}
	c := base()
	c.Law, c.Net.Width = "board", 16
	want := must[Plan](t)(Grid("example", c, Over("steps", 10, 20), Over("sigma_max", 1, 2.5), Seeds(1, 3)))
	if got := must[Plan](t)(ReadFile(path, base())); !got.same(want) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
	random := "name = 'x'\nseeds = [5, 7]\n[axes]\nnet.width = [1, 2]\n[random]\nn = 4\nseed = 9\nuniform.sigma_max = [1, 2]\nchoice.law = ['a', 'b']\n"
	want = must[Plan](t)(Random("x", base(), Search{4, 9, []Law{Uniform("sigma_max", 1, 2), Choice("law", "a", "b")}},
		Over("net.width", 1, 2), Over("seed", 5, 7)))
	got := must[Plan](t)(parseSweep([]byte(random), "file", base()))
	if !got.same(want) || !slices.Equal(got.Axes, []string{"sigma_max", "law", "net.width", "seed"}) {
		t.Errorf("got %+v\nwant %+v", got, want)
	}
}

// TestBadFiles (faults.md, row 28).
func TestBadFiles(t *testing.T) {
	for text, want := range map[string]string{
		"[axis]\nsteps = [1]":                                     `"axes"`,
		"[axes]\nstep = [1]":                                      `"steps"`,
		"[base]\nsigmamax = 1":                                    `"sigma_max"`,
		"[base]\nsteps = 'x'":                                     "steps",
		"[axes]\nsteps = 1":                                       "axes.steps",
		"[axes]\nsteps = []":                                      "no values",
		"[axes]\nsteps = [1, 2, 1]":                               "twice",
		"[axes]\nsteps = [1]\nsteps = [2]":                        "steps",
		"[axes]\nsteps = [1, 'x']":                                "steps",
		"seeds = 0":                                               "seeds = 0",
		"seeds = 'x'":                                             "seeds = x",
		"seeds = 2\n[axes]\nseed = [1]":                           `two axes "seed"`,
		"seeds = 1000000000":                                      "1000000000",
		"seeds = 100000\n[axes]\nsteps = [1, 2]":                  "2 x 100000 = 200000",
		"[random]\nn = 2":                                         "0 laws",
		"[random]\nn = -1\nuniform.sigma_max = [0, 1]":            "N = -1",
		"[random]\nn = 2\nuniform.sigma_max = [0]":                "sigma_max",
		"[random]\nn = 2\nnormal.sigma_max = [0, 1]":              "random.normal",
		"[random]\nn = 1000000000000\nuniform.sigma_max = [0, 1]": "1000000000000",
		"name = '/etc'":                                           "/etc",
		"[axes":                                                   "",
		strings.Repeat("# x\n", 1<<16):                            "bytes",
	} {
		if p, err := parseSweep([]byte(text), "x", base()); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%.60q: %d trials, error %v, want one with %q", text, len(p.Trials), err, want)
		}
	}
}

// FuzzSweepFile: no file makes the reader panic, hang or plan more than it may.
func FuzzSweepFile(f *testing.F) {
	for _, s := range []string{exampleFile, "seeds = 9223372036854775807", "[random]\nn = 3\nlog_uniform.sigma_max = [1, 2]", "[axes]\na.b = [1]\na.c = [[1]]", "seeds = [1, {a = 2}]"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parseSweep(text, "fuzz", base())
		if err != nil {
			return
		}
		if err := p.check(); err != nil {
			t.Fatal(err)
		}
		if _, err := decode[config](p); err != nil {
			t.Fatal(err)
		}
	})
}

// FuzzPlan: what is read as a plan is one, and comes back from what it writes.
func FuzzPlan(f *testing.F) {
	f.Add([]byte(`{"version":1,"name":"p","axes":["a"],"trials":[{"id":"4b6b24ab3f3b","config":"a = 1\n"}]}`))
	f.Add([]byte(`{"version":1e400,"trials":[{"id":"../x"}]}`))
	f.Add([]byte(`{"version":1,"name":"p","trials":null}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		p, err := parsePlan(text)
		if err != nil {
			return
		}
		dir := t.TempDir()
		if _, err := p.Freeze(dir); err != nil {
			t.Fatal(err)
		}
		back, err := ReadPlan(dir)
		if err != nil || !back.same(p) {
			t.Fatalf("%+v came back as %+v, %v", p, back, err)
		}
		for i := range p.Trials {
			p.values(i)
		}
	})
}

// FuzzResult: the reader of results neither panics nor loses a number.
func FuzzResult(f *testing.F) {
	f.Add([]byte(`{"metrics":{"a":1,"b":"NaN","c":"-Inf"},"seconds":1}`))
	f.Add([]byte(`{"metrics":{"a":"x"}}`))
	f.Add([]byte(`{"metrics":{"a":null}}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := parseResult(text)
		if err != nil {
			return
		}
		dir := t.TempDir()
		if err := r.write(dir); err != nil {
			t.Fatal(err)
		}
		back, err := readResult(dir)
		if err != nil || len(back.Metrics) != len(r.Metrics) {
			t.Fatalf("%+v came back as %+v, %v", r, back, err)
		}
	})
}
