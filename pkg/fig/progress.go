package fig

import (
	"fmt"
	"html"
	"os"
	"strings"
	"sync"
	"time"

	"github.com/janpfeifer/gonb/gonbui"
)

// Progress returns a function that reports progress: done of total steps and a short note ("loss 0.31"). It shows a
// live line with the time left, at most four times a second and only for work that takes longer than 2 s; the line
// vanishes when done reaches total, so that no report keeps it. In a notebook it is a bar below the cell, on a terminal
// a line on stderr, elsewhere nothing. The function may be used again for a next run and from several goroutines.
func Progress(label string) func(done, total int, note string) {
	p := &progress{label: label, now: time.Now, sink: progressSink()}
	p.restart()
	return p.report
}

type progress struct {
	mu    sync.Mutex
	label string
	now   func() time.Time
	sink  func(state *progressState) // nil state: erase

	begin, first, last time.Time // creation, first report, latest display
	done, firstDone    int
	reported, shown    bool
}

func (p *progress) restart() {
	p.begin = p.now()
	p.last, p.reported, p.done = time.Time{}, false, 0
}

func (p *progress) report(done, total int, note string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.sink == nil {
		return
	}
	if done < p.done {
		p.restart()
	}
	p.done = done
	now := p.now()
	if total > 0 && done >= total {
		if p.shown {
			p.sink(nil)
		}
		p.shown = false
		return
	}
	if !p.reported {
		p.reported, p.first, p.firstDone = true, now, done
	}
	s := p.state(now, total, note)
	if p.shown && now.Sub(p.last) < 250*time.Millisecond || !p.shown && !s.worthShowing() {
		return
	}
	p.last, p.shown = now, true
	p.sink(&s)
}

// progressState is what one display says.
type progressState struct {
	label, note   string
	done, total   int
	elapsed, left time.Duration // left < 0: unknown
}

// state estimates the time left from the pace since the first report, which leaves out compilation before it.
func (p *progress) state(now time.Time, total int, note string) progressState {
	s := progressState{label: p.label, note: note, done: p.done, total: total, elapsed: now.Sub(p.begin), left: -1}
	if steps := p.done - p.firstDone; steps > 0 && total > 0 {
		s.left = time.Duration(float64(now.Sub(p.first)) / float64(steps) * float64(total-p.done))
	}
	return s
}

// worthShowing holds for work longer than 2 s, known or foreseen after half a second.
func (s progressState) worthShowing() bool {
	const long = 2 * time.Second
	return s.elapsed >= long || s.elapsed >= long/4 && s.elapsed+s.left >= long
}

func (s progressState) String() string {
	parts := []string{fmt.Sprintf("%s %d", s.label, s.done)}
	if s.total > 0 {
		parts[0] = fmt.Sprintf("%s %d%% (%d of %d)", s.label, 100*s.done/s.total, s.done, s.total)
	}
	if s.left >= 0 {
		parts = append(parts, clockText(s.left)+" left")
	} else {
		parts = append(parts, clockText(s.elapsed)+" so far")
	}
	if s.note != "" {
		parts = append(parts, s.note)
	}
	return strings.Join(parts, " · ")
}

func (s progressState) html() string {
	text := "<span style=\"font-family: monospace\">" + html.EscapeString(s.String()) + "</span>"
	if s.total > 0 {
		return fmt.Sprintf("<progress value=\"%d\" max=\"%d\"></progress> %s", s.done, s.total, text)
	}
	return text
}

// clockText is m:ss or h:mm:ss.
func clockText(d time.Duration) string {
	s := int(d.Round(time.Second).Seconds())
	if s >= 3600 {
		return fmt.Sprintf("%d:%02d:%02d", s/3600, s/60%60, s%60)
	}
	return fmt.Sprintf("%d:%02d", s/60, s%60)
}

// progressSink chooses where progress goes; nil for nowhere.
func progressSink() func(*progressState) {
	if gonbui.IsNotebook {
		id := "progress_" + gonbui.UniqueId()
		return func(s *progressState) {
			if s == nil {
				gonbui.UpdateHTML(id, "")
				gonbui.Sync()
				return
			}
			gonbui.UpdateHTML(id, s.html())
		}
	}
	if info, err := os.Stderr.Stat(); err != nil || info.Mode()&os.ModeCharDevice == 0 {
		return nil
	}
	return func(s *progressState) {
		text := ""
		if s != nil {
			text = s.String()
		}
		fmt.Fprint(os.Stderr, "\r\x1b[K"+text)
	}
}
