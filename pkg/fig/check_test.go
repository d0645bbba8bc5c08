package fig

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

func TestOps(t *testing.T) {
	for _, c := range []struct {
		op                  string
		below, equal, above bool // at values 1, 2, 3 against bound 2
	}{{"<=", true, true, false}, {"<", true, false, false}, {">=", false, true, true}, {">", false, false, true}} {
		for value, want := range map[float64]bool{1: c.below, 2: c.equal, 3: c.above} {
			if got, err := (Check{ID: "a", What: "b", Value: value, Bound: 2, Op: c.op}).holds(); err != nil || got != want {
				t.Errorf("%v %s 2 is %v (%v), want %v", value, c.op, got, err, want)
			}
		}
	}
	for value, want := range map[float64]bool{0.75: true, 1.25: true, 0.5: false, 1.5: false} {
		if got, err := (Check{ID: "a", What: "b", Value: value, Exact: new(1.0), Bound: 0.25, Op: "within"}).holds(); err != nil || got != want {
			t.Errorf("|%v - 1| within 0.25 is %v (%v), want %v", value, got, err, want)
		}
	}
	for _, c := range []Check{
		{Value: math.NaN(), Bound: 1}, {Value: math.Inf(-1), Bound: 1}, {Bound: math.Inf(1)}, {Bound: math.NaN()}, {Bound: 1, Exact: new(math.NaN())},
	} {
		c.ID, c.What, c.Op = "a", "b", "<="
		if got, err := c.holds(); got || err != nil {
			t.Errorf("%+v passes (%v), want it to fail", c, err)
		}
	}
}

func TestCheckErrors(t *testing.T) {
	nb := testNotebook(t)
	for part, c := range map[string]Check{
		"want both":                   {ID: "a", Op: "<="},
		"want <=, <, >=, > or within": {ID: "a", What: "b", Op: "=="},
		"no Exact":                    {ID: "a", What: "b", Op: "within"},
	} {
		_, err := nb.record(c)
		wantError(t, err, part)
	}
	if _, err := os.Stat(filepath.Join(nb.Dir(), "metrics.json")); err == nil {
		t.Error("a senseless check left a metrics.json")
	}
}

// decode reads metrics.json as an arbitrary program would.
func decode(t *testing.T, nb *Notebook) map[string]any {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(nb.Dir(), "metrics.json"))
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(data, &m); err != nil {
		t.Fatal(err)
	}
	return m
}

func TestMetricsFile(t *testing.T) {
	nb := testNotebook(t)
	if err := nb.clear(); err != nil {
		t.Fatal(err)
	}
	if err := nb.setBackend("XLA CPU"); err != nil {
		t.Fatal(err)
	}
	record := func(c Check) {
		t.Helper()
		again := &Notebook{name: nb.name, dir: nb.dir, budget: nb.budget} // another cell is another process
		if _, err := again.record(c); err != nil {
			t.Fatal(err)
		}
	}
	record(Check{ID: "000-14", What: "std", Value: 0.3, Exact: new(0.2), Op: "within", Bound: 0.012, N: 20000, Stderr: 0.001})
	record(Check{ID: "000-14", What: "out", Value: math.NaN(), Op: "<=", Bound: 0.006, Stderr: math.NaN()})
	record(Check{ID: "000-14", What: "std", Value: 0.201, Exact: new(0.2), Op: "within", Bound: 0.012, N: 20000, Stderr: 0.001})

	m := decode(t, nb)
	if m["notebook"] != "000b_test" || m["budget"] != "quick" || m["backend"] != "XLA CPU" || len(m) != 5 {
		t.Errorf("header %v", m)
	}
	if _, ok := m["seconds"].(float64); !ok {
		t.Errorf("seconds is %v, want a number", m["seconds"])
	}
	checks := m["checks"].([]any)
	if len(checks) != 2 {
		t.Fatalf("%d rows, want 2: a repeated check replaces its row", len(checks))
	}
	for key, want := range map[string]any{"id": "000-14", "what": "std", "value": 0.201, "exact": 0.2, "bound": 0.012,
		"op": "within", "n": 20000.0, "stderr": 0.001, "pass": true} {
		if got := checks[0].(map[string]any)[key]; got != want {
			t.Errorf("first row: %s is %v, want %v", key, got, want)
		}
	}
	second := checks[1].(map[string]any)
	for _, key := range []string{"value", "exact", "stderr"} {
		if v, present := second[key]; !present || v != nil {
			t.Errorf("second row: %s is %v (present: %v), want null", key, v, present)
		}
	}
	if second["pass"] != false || len(second) != 9 {
		t.Errorf("second row %v, want nine fields and no pass", second)
	}

	if err := nb.clear(); err != nil {
		t.Fatal(err)
	}
	if m := decode(t, nb); len(m["checks"].([]any)) != 0 || m["backend"] != "" {
		t.Errorf("after Begin: %v, want no rows and no backend", m)
	}
}

func TestMetricsErrors(t *testing.T) {
	nb := testNotebook(t)
	wantError(t, nb.setBackend("xla:/opt/plugins/pjrt.so"), "path")
	wantError(t, nb.setBackend("plugin /opt/pjrt.so"), "path")
	if err := nb.setBackend("Go (linux/amd64), simd"); err != nil {
		t.Error(err)
	}
	full := &Notebook{name: nb.name, dir: nb.dir, budget: "full"}
	_, err := full.record(Check{ID: "a", What: "b", Op: "<="})
	wantError(t, err, `budget "quick"`)
	if err := nb.write(metricsFile, []byte(`{"checks": [`)); err != nil {
		t.Fatal(err)
	}
	_, err = nb.record(Check{ID: "a", What: "b", Op: "<="})
	wantError(t, err, "damaged")
	if err := nb.clear(); err != nil { // Begin starts over whatever the file holds
		t.Error(err)
	}
}

// In a kernel the clock starts at Begin, new rows move the seconds on, repeated ones do not.
func TestSeconds(t *testing.T) {
	nb := testNotebook(t)
	t.Setenv("GONB_TMP_DIR", t.TempDir())
	record := func(what string) float64 {
		t.Helper()
		if _, err := nb.record(Check{ID: "a", What: what, Op: "<="}); err != nil {
			t.Fatal(err)
		}
		return decode(t, nb)["seconds"].(float64)
	}
	if s := record("without Begin"); s != 0 {
		t.Errorf("seconds %v without Begin, want 0", s)
	}
	if err := nb.startClock(time.Now().Add(-100 * time.Second)); err != nil {
		t.Fatal(err)
	}
	if s := record("without Begin"); s != 0 {
		t.Errorf("a repeated check moved the seconds to %v", s)
	}
	if s := record("new"); s < 100 || s > 160 {
		t.Errorf("seconds %v, want a little over 100", s)
	}
}

func TestVerdict(t *testing.T) {
	nb := testNotebook(t)
	code := 0
	exit = func(c int) { code = c }
	defer func() { exit = os.Exit }()
	nb.Verdict()
	if code != 1 {
		t.Error("a notebook without checks passes")
	}
	good := Check{ID: "000-14", What: "std | <mode>", Value: 0.201, Exact: new(0.2), Op: "within", Bound: 0.012, N: 9, Stderr: 0.00141}
	nb.Check(good)
	code = 0
	nb.Verdict()
	if code != 0 {
		t.Error("a notebook that holds its bounds does not pass")
	}
	nb.Check(Check{ID: "000-15", What: "ratio", Value: math.Inf(1), Op: "<=", Bound: 0.8})
	nb.Verdict()
	if code != 1 {
		t.Error("a missed bound passes")
	}
	m, err := nb.load()
	if err != nil {
		t.Fatal(err)
	}
	table := m.markdown()
	for _, line := range []string{
		`| 000-14 | std \| &lt;mode> | 0.2000 | 0.2010 ± 0.0014 | ± 0.012 | yes |`,
		`| 000-15 | ratio | – | – | ≤ 0.8 | **missed** |`,
		`1 of 2 checks pass; budget quick`,
	} {
		if !strings.Contains(table, line) {
			t.Errorf("no %q in\n%s", line, table)
		}
	}
	wantError(t, m.verdict(), "misses 1 of 2 bounds: 000-15 ratio")
}

func TestNum(t *testing.T) {
	for _, c := range []struct {
		v      float64
		digits int
		want   string
	}{
		{0.002193, 3, "0.00219"}, {4.0671, 4, "4.067"}, {20000, 3, "20000"}, {0.2, 3, "0.200"}, {9.996, 3, "10.0"}, {-0.5, 2, "-0.50"},
		{1.234e-5, 2, "1.2e-5"}, {12345678, 3, "1.23e7"}, {0, 4, "0"}, {math.NaN(), 2, "NaN"}, {math.Inf(-1), 2, "-Inf"}, {0.0001, 2, "0.00010"},
	} {
		if got := Num(c.v, c.digits); got != c.want {
			t.Errorf("Num(%v, %d) = %q, want %q", c.v, c.digits, got, c.want)
		}
	}
}

func TestTable(t *testing.T) {
	got, err := markdownTable([]string{"N", "error"}, [][]string{{"10", "a|b\n<script>"}, {"20", "$x^2$"}})
	if want := "| N | error |\n|---|---|\n| 10 | a\\|b &lt;script> |\n| 20 | $x^2$ |\n"; err != nil || got != want {
		t.Errorf("table %q (%v), want %q", got, err, want)
	}
	_, err = markdownTable([]string{"N"}, [][]string{{"1", "2"}})
	wantError(t, err, "row 0 has 2 cells, want 1")
	_, err = markdownTable(nil, nil)
	wantError(t, err, "without columns")
}
