package sweep

import (
	"fmt"
	"strings"
	"time"

	"github.com/scoresde/scoresde/pkg/run"
)

// Progress is how a sweep stands.
type Progress struct {
	Name                   string
	Total                  int // trials to do in this call, those done before among them
	Done, Running, Failed  int
	Elsewhere, Interrupted int           // held by other processes; stopped, or failed in a way that may pass
	Now                    []string      // trials at work in this process: id and the values of the axes
	Failures               []string      // id and error of the latest ones
	Elapsed, Left          time.Duration // Left < 0: unknown
	Ended                  bool          // nothing more will come
}

// String is one line.
func (p Progress) String() string {
	parts := []string{fmt.Sprintf("sweep %s: %d of %d done", p.Name, p.Done, p.Total)}
	for _, c := range []struct {
		n    int
		what string
	}{{p.Running, "running"}, {p.Failed, "failed"}, {p.Elsewhere, "running elsewhere"}, {p.Interrupted, "interrupted"}} {
		if c.n > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", c.n, c.what))
		}
	}
	if p.Left >= 0 && !p.Ended {
		parts = append(parts, p.Left.Round(time.Second).String()+" left")
	}
	return strings.Join(parts, ", ")
}

const shownFailures = 5

// progress counts. The caller holds no lock.
func (s *sweep[C]) progress(ended bool) Progress {
	s.mu.Lock()
	defer s.mu.Unlock()
	p := Progress{Name: s.plan.Name, Total: len(s.chosen), Running: len(s.running), Elapsed: time.Since(s.began), Left: -1, Ended: ended}
	for _, i := range s.chosen {
		switch id := s.plan.Trials[i].ID; {
		case s.running[i]:
			p.Now = append(p.Now, strings.TrimSpace(id+" "+s.label(i)))
		case s.states[i] == run.Done:
			p.Done++
		case s.states[i] == run.Failed:
			p.Failed++
			p.Failures = append(p.Failures, fmt.Sprintf("%s: %v", id, s.errs[i]))
		case s.states[i] == run.Running:
			p.Elsewhere++
		case s.states[i] == run.Interrupted && s.errs[i] != nil:
			p.Interrupted++
		}
	}
	p.Failures = p.Failures[max(0, len(p.Failures)-shownFailures):]
	if left := p.Total - p.Done - p.Failed - p.Elsewhere - p.Interrupted; s.finished > 0 {
		p.Left = time.Duration(float64(p.Elapsed) / float64(s.finished) * float64(left))
	}
	return p
}

// label is the values of the axes.
func (s *sweep[C]) label(i int) string {
	values := s.plan.values(i)
	parts := make([]string, len(s.plan.Axes))
	for k, key := range s.plan.Axes {
		parts[k] = key + " " + values[key]
	}
	return strings.Join(parts, ", ")
}

func (s *sweep[C]) show() { s.display(false) }

func (s *sweep[C]) display(ended bool) {
	if s.set.Show == nil {
		return
	}
	s.showing.Lock()
	defer s.showing.Unlock()
	s.set.Show(s.progress(ended))
}

// watch shows the progress every second until stop, which shows it for the last time.
func (s *sweep[C]) watch() (stop func()) {
	if s.set.Show == nil {
		return func() {}
	}
	s.show()
	ticker, quit, gone := time.NewTicker(time.Second), make(chan struct{}), make(chan struct{})
	go func() {
		defer close(gone)
		for {
			select {
			case <-ticker.C:
				s.show()
			case <-quit:
				return
			}
		}
	}()
	return func() {
		ticker.Stop()
		close(quit)
		<-gone
		s.display(true)
	}
}
