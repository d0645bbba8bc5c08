package run

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
)

func open(t *testing.T, dir string) *Trial {
	t.Helper()
	trial, err := Open(t.Context(), dir, base{Steps: 3}, Options{Seeds: []int64{1}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { trial.Close(nil) })
	return trial
}

func sameBitsOf(a, b []Point) bool {
	if len(a) != len(b) {
		return false
	}
	for k := range a {
		if a[k].Step != b[k].Step || len(a[k].Values) != len(b[k].Values) {
			return false
		}
		for name, v := range a[k].Values {
			if w, ok := b[k].Values[name]; !ok || math.Float64bits(v) != math.Float64bits(w) && !(math.IsNaN(v) && math.IsNaN(w)) {
				return false
			}
		}
	}
	return true
}

func logged(t *testing.T, trial *Trial, points ...Point) {
	t.Helper()
	for _, p := range points {
		if err := trial.Log(p.Step, p.Values); err != nil {
			t.Fatal(err)
		}
	}
}

var somePoints = []Point{
	{0, map[string]float64{"loss": 0.1, "a \"b\"": math.MaxFloat64}},
	{7, map[string]float64{"loss": math.NaN(), "up": math.Inf(1), "down": math.Inf(-1)}},
	{7, map[string]float64{"tiny": math.SmallestNonzeroFloat64, "zero": math.Copysign(0, -1), "third": 1. / 3}},
	{1 << 40, map[string]float64{}},
}

// TestMetrics: what was logged is read to the bit, before the run has ended, and after it went on.
func TestMetrics(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, metricsFile)
	trial := open(t, dir)
	logged(t, trial, somePoints...)
	got, torn, err := ReadMetrics(path)
	if err != nil || torn != 0 || !sameBitsOf(got, somePoints) {
		t.Fatalf("got %v, %d torn, %v", got, torn, err)
	}
	for _, bad := range []Point{{-1, nil}, {1, map[string]float64{"step": 1}}, {1, map[string]float64{"": 1}}} {
		if trial.Log(bad.Step, bad.Values) == nil {
			t.Errorf("logged %v", bad)
		}
	}
	if err := trial.Close(nil); err != nil {
		t.Fatal(err)
	}
	trial = open(t, dir)
	logged(t, trial, somePoints[0])
	if got, torn, err := ReadMetrics(path); err != nil || torn != 0 || len(got) != len(somePoints)+1 {
		t.Errorf("after it went on: %v, %d torn, %v", got, torn, err)
	}
	if err := trial.Rewrite(somePoints[:2]); err != nil {
		t.Fatal(err)
	}
	logged(t, trial, somePoints[2:]...)
	if got, torn, err := ReadMetrics(path); err != nil || torn != 0 || !sameBitsOf(got, somePoints) {
		t.Errorf("rewritten: %v, %d torn, %v", got, torn, err)
	}
	if _, _, err := ReadMetrics(filepath.Join(dir, "none")); !os.IsNotExist(unwrapped(err)) {
		t.Errorf("no file: %v", err)
	}
}

// TestTornLine is row 31 of the list of faults: cut after any byte, the file keeps its whole lines and says that one is
// torn; and what a run appends when it goes on is read.
func TestTornLine(t *testing.T) {
	whole := t.TempDir()
	trial := open(t, whole)
	logged(t, trial, somePoints...)
	trial.Close(nil)
	text, err := os.ReadFile(filepath.Join(whole, metricsFile))
	if err != nil {
		t.Fatal(err)
	}
	more := Point{9, map[string]float64{"loss": 5}}
	for cut := range len(text) {
		dir := t.TempDir()
		path := filepath.Join(dir, metricsFile)
		if err := os.WriteFile(path, text[:cut], 0o644); err != nil {
			t.Fatal(err)
		}
		lines := bytes.Count(text[:cut], []byte("\n"))
		tail := text[:cut][bytes.LastIndexByte(text[:cut], '\n')+1:]
		wantTorn := 0
		switch {
		case len(tail) > 0 && text[cut] == '\n':
			lines++ // only the end of the line is missing
		case len(tail) > 0:
			wantTorn = 1
		}
		if got, torn, err := ReadMetrics(path); err != nil || torn != wantTorn || !sameBitsOf(got, somePoints[:lines]) {
			t.Fatalf("cut after %d bytes: %v, %d torn, %v; want %d points, %d torn", cut, got, torn, err, lines, wantTorn)
		}
		if cut%7 != 0 {
			continue // opening takes a while
		}
		trial := open(t, dir)
		logged(t, trial, more, more)
		want := append(append([]Point{}, somePoints[:lines]...), more, more)
		if got, torn, err := ReadMetrics(path); err != nil || torn != wantTorn || !sameBitsOf(got, want) {
			t.Fatalf("cut after %d bytes and appended: %v, %d torn, %v", cut, got, torn, err)
		}
	}
}

// TestForeignMetrics: a whole line that is no point is an error with its number; zeros, which a computer leaves that
// lost its power, are torn.
func TestForeignMetrics(t *testing.T) {
	for text, says := range map[string]string{
		"{\"step\":1}\n[1]\n":                     "line 2",
		"{\"loss\":1}\n":                          "no step",
		"{\"step\":-1}\n":                         "no step",
		"{\"step\":1.5}\n":                        "step",
		"{\"step\":null,\"a\":1}\n":               "no step",
		"{\"step\":1,\"a\":null}\n":               `"a": got null, want a number`,
		"\n{\"step\":1,\"a\":\"Infinity\"}\n":     `line 2: "a": got "Infinity"`,
		"{\"step\":1,\"a\":1e999}\n":              `"a": got 1e999`,
		"{\"step\":99999999999999999999,\"a\":1}": "step",
	} {
		if got, torn, err := readMetrics(strings.NewReader(text)); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%q: %v, %d, %v; want an error that says %q", text, got, torn, err, says)
		}
	}
	got, torn, err := readMetrics(strings.NewReader("{\"step\":1}\n\x00\x00\x00\n{\"step\":2}\r\n\n"))
	if want := []Point{{1, map[string]float64{}}, {2, map[string]float64{}}}; err != nil || torn != 1 || !reflect.DeepEqual(got, want) {
		t.Errorf("got %v, %d, %v", got, torn, err)
	}
}

// FuzzReadMetrics: any file is refused or read; what was read survives being written and read, and a point appended to a
// file that does not end with a line is found.
func FuzzReadMetrics(f *testing.F) {
	for _, text := range []string{"", "{\"step\":1,\"loss\":0.5}\n", "{\"step\":1,\"lo", "{\"step\":1}\n{\"st\n{\"step\":2}", "{\"step\":1,\"a\":\"NaN\"}\n", "\x00\n", "[]\n", "{\"step\":1e1}\n", "{\"step\":1,\"step\":2}\n", strings.Repeat("[", 20000)} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		got, torn, err := readMetrics(bytes.NewReader(text))
		if err != nil {
			return
		}
		if len(got)+torn > bytes.Count(text, []byte("\n"))+1 {
			t.Fatalf("%d points and %d torn lines of %q", len(got), torn, text)
		}
		var written []byte
		for _, p := range got {
			if _, empty := p.Values[""]; empty {
				return // can be read but not written
			}
			line, err := p.line()
			if err != nil {
				t.Fatal(err)
			}
			written = append(written, line...)
		}
		again, none, err := readMetrics(bytes.NewReader(written))
		if err != nil || none != 0 || !sameBitsOf(again, got) {
			t.Fatalf("%q is read as %v, written as %q, read as %v, %d, %v", text, got, written, again, none, err)
		}
		line, _ := Point{3, nil}.line()
		longer := append(append(bytes.Clone(text), '\n'), line...)
		if more, _, err := readMetrics(bytes.NewReader(longer)); err != nil || len(more) != len(got)+1 {
			t.Fatalf("%q with a point appended: %v, %v", text, more, err)
		}
	})
}
