package sweep

import (
	"context"
	"encoding/csv"
	"errors"
	"math"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/scoresde/scoresde/pkg/run"
)

// TestStat against numbers computed by hand: 1, 2, 4, 5 have mean 3, variance 10/3 and s.e. sqrt(10/3/4).
func TestStat(t *testing.T) {
	s := statOf([]float64{1, 2, 4, 5})
	if s.Mean != 3 || math.Abs(s.SE-math.Sqrt(10.0/12)) > 1e-15 || s.N != 4 {
		t.Errorf("%+v", s)
	}
	for _, c := range []struct {
		s    Stat
		want string
	}{
		{s, "3.00 ± 0.91"},
		{Stat{0.012346, 0.00067, 5}, "0.01235 ± 0.00067"},
		{Stat{123456, 789, 5}, "1.235e+05 ± 7.9e+02"},
		{Stat{1e-12, 1e-13, 5}, "1e-12 ± 1e-13"},
		{statOf([]float64{0.25}), "0.25"},
		{statOf([]float64{2, 2}), "2"},
		{statOf([]float64{1, math.NaN()}), "NaN"},
		{statOf([]float64{1, math.Inf(1)}), "+Inf"},
		{statOf(nil), "-"},
	} {
		if got := c.s.String(); got != c.want {
			t.Errorf("%+v is %q, want %q", c.s, got, c.want)
		}
	}
}

// samplers is a sweep with a known result: error = sigma/steps + seed deviation, cost = steps, doubled for "board".
func samplers(t *testing.T) Table {
	t.Helper()
	return must[Table](t)(runSamplers())
}

var runSamplers = sync.OnceValues(func() (Table, error) {
	dir, err := os.MkdirTemp("", "sweep")
	if err != nil {
		return Table{}, err
	}
	defer os.RemoveAll(dir)
	p, err := Grid("samplers", base(), Over("law", "ring", "board"), Over("steps", 20, 10), Over("sigma_max", 1, 2), Seeds(1, 3))
	if err != nil {
		return Table{}, err
	}
	return Run(context.Background(), p, func(_ context.Context, tr *Trial[config]) (map[string]float64, error) {
		c := tr.Config
		cost := float64(c.Steps)
		if c.Law == "board" {
			cost *= 2
		}
		if c.Law == "board" && c.Steps == 10 && c.SigmaMax == 2 && c.Seed == 3 {
			return nil, errors.New("ill")
		}
		return map[string]float64{"error": c.SigmaMax/float64(c.Steps) + 0.01*float64(c.Seed-2), "cost": cost, "bad": math.NaN()}, nil
	}, Settings{Dir: dir, KeepGoing: true})
})

func TestGroups(t *testing.T) {
	groups := samplers(t).Groups()
	if len(groups) != 8 {
		t.Fatalf("%d groups, want 8", len(groups))
	}
	g := groups[0]
	if g.Values["law"] != "ring" || g.Values["steps"] != "20" || g.Values["sigma_max"] != "1" || g.Done != 3 || g.Missing != 0 {
		t.Errorf("%+v", g)
	}
	// Deviations -0.01, 0, 0.01: s.e. 0.01/sqrt(3).
	if s := g.Stats["error"]; math.Abs(s.Mean-0.05) > 1e-15 || math.Abs(s.SE-0.01/math.Sqrt(3)) > 1e-15 {
		t.Errorf("%+v", s)
	}
	if last := groups[7]; last.Done != 2 || last.Missing != 1 || last.Stats["error"].N != 2 {
		t.Errorf("%+v", last)
	}
}

// TestPivot: equal-cost columns come out by taking a metric for the column.
func TestPivot(t *testing.T) {
	table := samplers(t)
	if _, err := table.Pivot("law", "cost", "error"); err == nil || !strings.Contains(err.Error(), "sigma_max") {
		t.Errorf("mixed the values of sigma_max: %v", err)
	}
	if _, err := table.Pivot("law", "sigma", "error"); err == nil || !strings.Contains(err.Error(), `"sigma"`) {
		t.Errorf("column of an unknown key: %v", err)
	}
	if _, err := table.Pivot("law", "steps", "eror"); err == nil || !strings.Contains(err.Error(), "error") {
		t.Errorf("unknown metric: %v", err)
	}
	two := must[Table](t)(table.Where("sigma_max", 2))
	p := must[Pivot](t)(two.Pivot("law", "cost", "error"))
	if !slices.Equal(p.Rows, []string{"ring", "board"}) || !slices.Equal(p.Columns, []string{"10", "20", "40"}) {
		t.Fatalf("rows %q, columns %q", p.Rows, p.Columns)
	}
	for i, want := range [][]float64{{0.2, 0.1, math.NaN()}, {math.NaN(), 0.195, 0.1}} { // two seeds left: -0.01 and 0
		for k, w := range want {
			if got := p.Means().At(i, k); math.Abs(got-w) > 1e-12 || math.IsNaN(got) != math.IsNaN(w) {
				t.Errorf("cell %d, %d is %g, want %g", i, k, got, w)
			}
		}
	}
	joined := must[Pivot](t)(table.Pivot("law+steps", "sigma_max", "error"))
	if !slices.Equal(joined.Rows, []string{"ring + 20", "ring + 10", "board + 20", "board + 10"}) {
		t.Errorf("rows %q", joined.Rows)
	}
	if text := p.Markdown(); !strings.HasPrefix(text, "| error: law | cost 10 | cost 20 | cost 40 |\n|---|---|---|---|\n| ring | 0.2000 ± 0.0058 |") {
		t.Errorf("%s", text)
	}
	if _, err := table.Where("sigma_max", 3); err == nil {
		t.Error("found trials with sigma_max = 3")
	}
}

func TestLines(t *testing.T) {
	two := must[Table](t)(samplers(t).Where("sigma_max", 2))
	lines := must[[]Line](t)(two.Lines("steps", "law", "error"))
	if len(lines) != 2 || lines[0].Name != "ring" || !slices.Equal(lines[0].X, []float64{10, 20}) {
		t.Fatalf("%+v", lines)
	}
	l := lines[0]
	if se := 0.01 / math.Sqrt(3); math.Abs(l.Y[0]-0.2) > 1e-12 || math.Abs(l.High[0]-l.Y[0]-se) > 1e-12 || math.Abs(l.Y[0]-l.Low[0]-se) > 1e-12 {
		t.Errorf("%+v", l)
	}
	if _, err := two.Lines("law", "steps", "error"); err == nil {
		t.Error("drew lines over names")
	}
	if lines := must[[]Line](t)(two.Lines("steps", "law", "bad")); len(lines[0].X) != 0 {
		t.Errorf("a NaN became a point: %+v", lines)
	}
}

// TestCSV: every trial has a line, numbers are whole, and the error of the failed one is there.
func TestCSV(t *testing.T) {
	table := samplers(t)
	lines, err := csv.NewReader(strings.NewReader(table.CSV())).ReadAll()
	if err != nil || len(lines) != 25 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	if want := "id state law steps sigma_max seed bad cost error error"; strings.Join(lines[0], " ") != want {
		t.Errorf("header %q, want %q", lines[0], want)
	}
	if got := lines[1]; got[6] != "NaN" || got[7] != "20" || got[8] != "0.04" {
		t.Errorf("%q", got)
	}
	last := lines[24]
	if last[1] != string(run.Failed) || last[8] != "" || last[9] != "ill" {
		t.Errorf("%q", last)
	}
	if only := must[Table](t)(table.Only("cost")); strings.Contains(only.Trials(), "bad") {
		t.Error("Only kept another metric")
	}
}

// TestNumbers: what is not finite survives the file.
func TestNumbers(t *testing.T) {
	dir := t.TempDir()
	want := map[string]number{"nan": number(math.NaN()), "up": number(math.Inf(1)), "down": number(math.Inf(-1)), "pi": math.Pi, "zero": 0}
	if err := (result{Metrics: want}).write(dir); err != nil {
		t.Fatal(err)
	}
	got, err := readResult(dir)
	if err != nil {
		t.Fatal(err)
	}
	for name, w := range want {
		if g := got.Metrics[name]; g != w && !(math.IsNaN(float64(g)) && math.IsNaN(float64(w))) {
			t.Errorf("%s is %v, want %v", name, g, w)
		}
	}
}
