package fig

import (
	"fmt"
	"html"
	"os"
	"strings"
	"time"

	"github.com/janpfeifer/gonb/gonbui"

	"github.com/scoresde/scoresde/pkg/sweep"
)

// Sweep returns a function for sweep.Settings.Show: how many trials are done, running and failed, the time left, which
// trials are at work and why some failed. In a notebook it is a live table below the cell, on a terminal a line on stderr,
// elsewhere nothing; it vanishes at the end, so that no report keeps it.
func Sweep() func(sweep.Progress) {
	if gonbui.IsNotebook {
		id := "sweep_" + gonbui.UniqueId()
		return sweepDisplay(time.Now, func(p *sweep.Progress) {
			if p == nil {
				gonbui.UpdateHTML(id, "")
				gonbui.Sync()
				return
			}
			gonbui.UpdateHTML(id, sweepHTML(*p))
		})
	}
	if info, err := os.Stderr.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return sweepDisplay(time.Now, func(p *sweep.Progress) {
		text := ""
		if p != nil {
			text = p.String()
		}
		fmt.Fprint(os.Stderr, "\r\x1b[K"+text)
	})
}

// sweepDisplay shows at most four times a second, and erases (nil) at the end what was shown.
func sweepDisplay(now func() time.Time, show func(*sweep.Progress)) func(sweep.Progress) {
	var last time.Time
	return func(p sweep.Progress) {
		switch shown := !last.IsZero(); {
		case p.Ended && shown:
			show(nil)
		case !p.Ended && (!shown || now().Sub(last) >= 250*time.Millisecond):
			last = now()
			show(&p)
		}
	}
}

// sweepHTML shows counts, trials at work and failures. All texts are those of users.
func sweepHTML(p sweep.Progress) string {
	var b strings.Builder
	left := "unknown"
	if p.Left >= 0 {
		left = clockText(p.Left)
	}
	fmt.Fprintf(&b, "<progress value=\"%d\" max=\"%d\"></progress> <table><tr>", p.Done+p.Failed, p.Total)
	for _, head := range []string{"sweep", "done", "running", "failed", "elsewhere", "interrupted", "elapsed", "left"} {
		fmt.Fprintf(&b, "<th>%s</th>", head)
	}
	fmt.Fprintf(&b, "</tr><tr><td>%s</td><td>%d of %d</td><td>%d</td><td>%d</td><td>%d</td><td>%d</td><td>%s</td><td>%s</td></tr></table>",
		html.EscapeString(p.Name), p.Done, p.Total, p.Running, p.Failed, p.Elsewhere, p.Interrupted, clockText(p.Elapsed), left)
	for _, list := range []struct {
		title string
		lines []string
	}{{"running", p.Now}, {"failed", p.Failures}} {
		for _, line := range list.lines {
			fmt.Fprintf(&b, "<div style=\"font-family: monospace\">%s: %s</div>", list.title, html.EscapeString(line))
		}
	}
	return b.String()
}

// Results shows what a sweep found, a sweep.Table or sweep.Pivot, in the notebook, or prints it outside one.
func Results(t interface{ Markdown() string }) { showMarkdown(t.Markdown()) }

// PivotHeat is Heat of the means of a sweep.Pivot, rows from the top.
func PivotHeat(title string, p sweep.Pivot) *Plot {
	return Heat(title, p.Column, p.Row, p.Columns, p.Rows, p.Means())
}

// Bands is Lines of the means of sweep.Table.Lines with a dot at each and a band of one standard error about them. Lines
// without points are left out.
func Bands(title, xlabel, ylabel string, lines []sweep.Line) *Plot {
	var series []Series
	for _, l := range lines {
		if len(l.X) > 0 {
			series = append(series, Series{Name: l.Name, X: l.X, Y: l.Y, Low: l.Low, High: l.High, Markers: true})
		}
	}
	return Lines(title, xlabel, ylabel, series...)
}
