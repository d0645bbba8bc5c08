package fig

import (
	"slices"
	"testing"
	"time"
)

// script runs a progress on a clock of its own and returns what it showed; "" is an erasure.
func script(label string, steps func(report func(done, total int, note string), wait func(time.Duration))) (shown []string, html []string) {
	now := time.Unix(0, 0)
	p := &progress{label: label, now: func() time.Time { return now }}
	p.sink = func(s *progressState) {
		if s == nil {
			shown, html = append(shown, ""), append(html, "")
			return
		}
		shown, html = append(shown, s.String()), append(html, s.html())
	}
	p.restart()
	steps(p.report, func(d time.Duration) { now = now.Add(d) })
	return shown, html
}

func TestProgress(t *testing.T) {
	shown, html := script("fit <net>", func(report func(int, int, string), wait func(time.Duration)) {
		wait(3 * time.Second) // compilation, not part of the pace
		report(0, 100, "")
		wait(time.Second)
		report(1, 100, "loss 0.5")
		wait(100 * time.Millisecond) // throttled
		report(2, 100, "")
		wait(48900 * time.Millisecond)
		report(50, 100, "a & b")
		wait(50 * time.Second)
		report(100, 100, "")
	})
	want := []string{
		"fit <net> 0% (0 of 100) · 0:03 so far",
		"fit <net> 1% (1 of 100) · 1:39 left · loss 0.5",
		"fit <net> 50% (50 of 100) · 0:50 left · a & b",
		"",
	}
	if !slices.Equal(shown, want) {
		t.Errorf("shown %q, want %q", shown, want)
	}
	if want := `<progress value="50" max="100"></progress> <span style="font-family: monospace">fit &lt;net&gt; 50% (50 of 100) · 0:50 left · a &amp; b</span>`; html[2] != want {
		t.Errorf("html %q, want %q", html[2], want)
	}
}

func TestProgressStaysSilentForShortWork(t *testing.T) {
	shown, _ := script("short", func(report func(int, int, string), wait func(time.Duration)) {
		for i := range 11 {
			report(i, 10, "")
			wait(150 * time.Millisecond)
		}
	})
	if len(shown) != 0 {
		t.Errorf("work of 1.5 s shows %q", shown)
	}
}

func TestProgressThrottleAndSecondRun(t *testing.T) {
	shown, _ := script("run", func(report func(int, int, string), wait func(time.Duration)) {
		for range 2 {
			for i := range 1001 {
				report(i, 1000, "")
				wait(10 * time.Millisecond)
			}
		}
	})
	// Each run lasts 10 s, is foreseen to after 0.5 s, and then shows 4 lines a second and an erasure.
	if want := 2 * (1 + 4*19/2 + 1); len(shown) < want-4 || len(shown) > want+4 {
		t.Errorf("%d displays in two runs of 10 s, want about %d", len(shown), want)
	}
	if shown[len(shown)-1] != "" {
		t.Errorf("the last display is %q, want an erasure", shown[len(shown)-1])
	}
}

func TestProgressWithoutTotal(t *testing.T) {
	shown, _ := script("steps", func(report func(int, int, string), wait func(time.Duration)) {
		report(1, 0, "")
		wait(3700 * time.Second)
		report(2, 0, "h")
	})
	if want := []string{"steps 2 · 1:01:40 so far · h"}; !slices.Equal(shown, want) {
		t.Errorf("shown %q, want %q", shown, want)
	}
}

func TestProgressOutsideNotebook(t *testing.T) {
	report := Progress("nowhere") // the test's stderr is no notebook; this must not block or fail
	report(1, 2, "")
	report(2, 2, "")
}
