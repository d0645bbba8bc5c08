package fig

import (
	"context"
	"image"
	"strings"
	"testing"
	"time"

	"github.com/scoresde/scoresde/pkg/sweep"
)

func TestSweepDisplay(t *testing.T) {
	clock := time.Unix(100, 0)
	var shown []string
	report := sweepDisplay(func() time.Time { return clock }, func(p *sweep.Progress) {
		if p == nil {
			shown = append(shown, "")
			return
		}
		shown = append(shown, p.String())
	})
	p := sweep.Progress{Name: "a", Total: 4, Left: -1, Running: 1}
	report(p)
	p.Done = 1
	report(p) // too soon
	clock = clock.Add(time.Second)
	p.Done, p.Left = 2, 2*time.Second
	report(p)
	p.Ended = true
	report(p)
	want := "sweep a: 0 of 4 done, 1 running|sweep a: 2 of 4 done, 1 running, 2s left|"
	if got := strings.Join(shown, "|"); got != want {
		t.Errorf("shown %q, want %q", got, want)
	}
}

// TestSweepHTML: names and errors of users stay text (faults.md, row 36).
func TestSweepHTML(t *testing.T) {
	text := sweepHTML(sweep.Progress{
		Name: "<script>", Total: 9, Done: 3, Failed: 1, Running: 1, Elapsed: 70 * time.Second, Left: 2 * time.Minute,
		Now: []string{"id law <b>"}, Failures: []string{"id: <img src=x>"},
	})
	for _, want := range []string{"<td>3 of 9</td>", "<td>1:10</td>", "<td>2:00</td>", "&lt;script&gt;", "running: id law &lt;b&gt;", "failed: id: &lt;img src=x&gt;", `value="4" max="9"`} {
		if !strings.Contains(text, want) {
			t.Errorf("%q is not in %s", want, text)
		}
	}
	if strings.Contains(text, "<script") || strings.Contains(text, "<img") || strings.Contains(text, "<b>") {
		t.Errorf("a name became an element: %s", text)
	}
}

// found is a table of a sweep over two axes.
func found(t *testing.T) sweep.Table {
	t.Helper()
	type config struct {
		Law   string
		Sigma float64
		Seed  int64 `toml:"seed"`
	}
	plan, err := sweep.Grid("figure", config{}, sweep.Over("Law", "ring", "board"), sweep.Over("Sigma", 1, 2, 4, 8), sweep.Seeds(1, 3))
	if err != nil {
		t.Fatal(err)
	}
	table, err := sweep.Run(context.Background(), plan, func(_ context.Context, tr *sweep.Trial[config]) (map[string]float64, error) {
		c := tr.Config
		e := 1/c.Sigma + 0.1*c.Sigma + 0.1*float64(c.Seed-2)
		if c.Law == "board" {
			e *= 1.5
		}
		return map[string]float64{"error": e}, nil
	}, sweep.Settings{Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestSweepFigures(t *testing.T) {
	table := found(t)
	pivot, err := table.Pivot("Law", "Sigma", "error")
	if err != nil {
		t.Fatal(err)
	}
	lines, err := table.Lines("Sigma", "Law", "error")
	if err != nil {
		t.Fatal(err)
	}
	figure := Row(PivotHeat("error", pivot), Bands("error", "sigma max", "error", append(lines, sweep.Line{Name: "empty"})))
	img := picture(t, figure, 8, 3.5)
	wantShare(t, "heat map and bands", img, 0.1, 0.6)
	right := image.Rect(img.Bounds().Dx()/2, 0, img.Bounds().Dx(), img.Bounds().Dy())
	for name, like := range map[string]func(r, g, b int) bool{
		"a curve": blue, "another": orange,
		"a band": func(r, g, b int) bool { return r > 180 && r < 240 && b > 230 && g > 200 && b-r > 15 },
	} {
		if n, _ := find(img, right, like); n < 200 {
			t.Errorf("%s: %d pixels on the right", name, n)
		}
	}
}
