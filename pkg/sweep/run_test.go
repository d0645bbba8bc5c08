package sweep

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/scoresde/scoresde/pkg/run"
)

// counter counts the calls of a trial's function by id.
type counter struct {
	mu    sync.Mutex
	calls map[string]int
}

func (c *counter) fn(f Fn[config]) Fn[config] {
	return func(ctx context.Context, t *Trial[config]) (map[string]float64, error) {
		c.mu.Lock()
		if c.calls == nil {
			c.calls = map[string]int{}
		}
		c.calls[t.ID]++
		c.mu.Unlock()
		return f(ctx, t)
	}
}

func (c *counter) total() (n int) {
	for _, k := range c.calls {
		n += k
	}
	return n
}

// product is a trial whose result is known.
func productOf(_ context.Context, t *Trial[config]) (map[string]float64, error) {
	return map[string]float64{"product": t.Config.SigmaMax * float64(t.Config.Seed)}, nil
}

func plan12(t *testing.T) Plan {
	return must[Plan](t)(Grid("p", base(), Over("sigma_max", 1, 2, 3, 4), Seeds(1, 3)))
}

// TestRunOnce: every trial runs once, whatever the number of workers, and never again.
func TestRunOnce(t *testing.T) {
	for _, parallel := range []int{0, 1, 3, 50} {
		set := Settings{Dir: t.TempDir(), Parallel: parallel}
		p, count := plan12(t), counter{}
		for range 2 {
			table, err := Run(context.Background(), p, count.fn(productOf), set)
			if err != nil {
				t.Fatal(err)
			}
			for i, r := range table.Rows {
				want := float64(i/3+1) * float64(i%3+1)
				if r.ID != p.Trials[i].ID || r.State != run.Done || r.Metrics["product"] != want || r.Attempts != 1 {
					t.Errorf("row %d: %+v, want %g", i, r, want)
				}
			}
		}
		if count.total() != 12 || len(count.calls) != 12 {
			t.Errorf("%d workers: calls %v, want one each of 12", parallel, count.calls)
		}
	}
}

// TestReplanned (faults.md, row 30): a larger plan runs its new trials alone.
func TestReplanned(t *testing.T) {
	set, count := Settings{Dir: t.TempDir()}, counter{}
	run := func(axes ...Axis) Table {
		return must[Table](t)(Run(context.Background(), must[Plan](t)(Grid("p", base(), axes...)), count.fn(productOf), set))
	}
	run(Over("sigma_max", 1, 2, 3), Seeds(1, 2))
	table := run(Over("sigma_max", 2, 3, 4), Seeds(1, 2))
	if count.total() != 8 || len(count.calls) != 8 {
		t.Errorf("calls %v, want one each of 8", count.calls)
	}
	if len(table.Rows) != 6 || len(table.Notes) != 1 || !strings.HasPrefix(table.Notes[0], "2 trials of the plan before") {
		t.Errorf("%d rows, notes %v", len(table.Rows), table.Notes)
	}
}

// TestOneFails (faults.md, row 29): the others go on, the failure is in the table, the end is an error unless asked
// otherwise.
func TestOneFails(t *testing.T) {
	for _, parallel := range []int{1, 4} {
		for _, how := range []string{"error", "panic"} {
			set, p, count := Settings{Dir: t.TempDir(), Parallel: parallel}, plan12(t), counter{}
			cause := errors.New("loss is | NaN <b>")
			bad := func(ctx context.Context, tr *Trial[config]) (map[string]float64, error) {
				if tr.Index != 4 {
					return productOf(ctx, tr)
				}
				if how == "panic" {
					panic(cause)
				}
				return nil, cause
			}
			table, err := Run(context.Background(), p, count.fn(bad), set)
			if !errors.Is(err, cause) || run.ExitCode(err) != run.ExitPermanent || !strings.Contains(err.Error(), "1 of 12 trials failed") {
				t.Errorf("error %v, code %d", err, run.ExitCode(err))
			}
			if r := table.Rows[4]; r.State != run.Failed || !strings.Contains(r.Error, cause.Error()) || r.Metrics != nil {
				t.Errorf("row %+v", r)
			}
			for i, r := range table.Rows {
				if i != 4 && r.State != run.Done {
					t.Errorf("row %d is %s", i, r.State)
				}
			}
			text := table.Markdown()
			if !strings.Contains(text, "| 2 | 2 of 3 |") || !strings.Contains(text, `failed: `+p.Trials[4].ID) || !strings.Contains(text, `loss is \| NaN &lt;b>`) {
				t.Errorf("the table hides the failure:\n%s", text)
			}
			set.KeepGoing = true
			if _, err := Run(context.Background(), p, count.fn(bad), set); err != nil {
				t.Errorf("KeepGoing: %v", err)
			}
			if count.total() != 12 {
				t.Errorf("%d calls, want 12: a failed trial ran again unasked", count.total())
			}
		}
	}
}

// TestErrored: failed trials run again only on request, with or without what they left; finished ones never.
func TestErrored(t *testing.T) {
	for _, how := range []Errored{Keep, Resume, Restart} {
		set, p, count := Settings{Dir: t.TempDir()}, plan12(t), counter{}
		heal, left := false, ""
		fn := count.fn(func(ctx context.Context, tr *Trial[config]) (map[string]float64, error) {
			if tr.Index != 4 {
				return productOf(ctx, tr)
			}
			note := filepath.Join(tr.Dir, "checkpoint")
			if !heal {
				return nil, errors.Join(os.WriteFile(note, []byte("kept"), 0o644), tr.Log(1, map[string]float64{"loss": 1}), errors.New("ill"))
			}
			text, _ := os.ReadFile(note)
			left = string(text)
			if tr.Restart != (how == Restart) {
				t.Errorf("%s: Restart = %t", how, tr.Restart)
			}
			return productOf(ctx, tr)
		})
		if _, err := Run(context.Background(), p, fn, set); err == nil {
			t.Fatal("no error")
		}
		heal, set.Errored = true, how
		_, err := Run(context.Background(), p, fn, set)
		wantCalls, wantLeft := 13, "kept"
		switch how {
		case Keep:
			wantCalls, wantLeft = 12, ""
			if err == nil {
				t.Error("keep: the failure was forgotten")
			}
		case Restart:
			wantLeft = ""
			fallthrough
		case Resume:
			if err != nil {
				t.Errorf("%s: %v", how, err)
			}
		}
		if count.total() != wantCalls || left != wantLeft {
			t.Errorf("%s: %d calls, want %d; found %q, want %q", how, count.total(), wantCalls, left, wantLeft)
		}
	}
	if _, err := Run(context.Background(), plan12(t), productOf, Settings{Dir: t.TempDir(), Errored: "again"}); err == nil {
		t.Error(`"again" was accepted`)
	}
}

// TestStopped: when the context ends, trials at work are told, the rest is left, and a second call does the rest.
func TestStopped(t *testing.T) {
	set, p, count := Settings{Dir: t.TempDir(), Parallel: 2}, plan12(t), counter{}
	ctx, cancel := context.WithCancelCause(context.Background())
	var begun atomic.Int32
	slow := count.fn(func(ctx context.Context, tr *Trial[config]) (map[string]float64, error) {
		if begun.Add(1) <= 4 {
			return productOf(ctx, tr)
		}
		cancel(run.Signal{Signal: syscall.SIGUSR1})
		<-ctx.Done()
		return nil, fmt.Errorf("stopped at step 3: %w", context.Cause(ctx))
	})
	table, err := Run(ctx, p, slow, set)
	if run.ExitCode(err) != run.ExitRetry || !errors.As(err, new(run.Signal)) {
		t.Errorf("error %v, code %d", err, run.ExitCode(err))
	}
	states := map[run.State]int{}
	for _, r := range table.Rows {
		states[r.State]++
	}
	if states[run.Done] < 4 || states[run.Interrupted] < 1 || states[pending] < 4 || states[run.Failed] > 0 {
		t.Errorf("states %v", states)
	}
	if _, err := Run(context.Background(), p, count.fn(productOf), set); err != nil {
		t.Fatal(err)
	}
	for id, n := range count.calls {
		if want := 1; n != want && !interruptedOnce(table, id, n) {
			t.Errorf("%s was called %d times", id, n)
		}
	}
	// A function that hides why it stopped does not make a failure of an interruption.
	ctx, cancel = context.WithCancelCause(context.Background())
	table, err = Run(ctx, must[Plan](t)(Grid("q", base())), func(context.Context, *Trial[config]) (map[string]float64, error) {
		cancel(nil)
		return nil, errors.New("oops")
	}, set)
	if run.ExitCode(err) != run.ExitRetry || table.Rows[0].State != run.Interrupted {
		t.Errorf("error %v, row %+v", err, table.Rows[0])
	}
}

func interruptedOnce(table Table, id string, calls int) bool {
	return calls == 2 && slices.ContainsFunc(table.Rows, func(r Row) bool { return r.ID == id && r.State == run.Interrupted })
}

// TestPassing: a full disk is no failure of the trial: the sweep ends with the code for another attempt, which runs it.
func TestPassing(t *testing.T) {
	set, p := Settings{Dir: t.TempDir()}, plan12(t)
	full := true
	fn := func(ctx context.Context, tr *Trial[config]) (map[string]float64, error) {
		if full && tr.Index == 2 {
			return nil, &os.PathError{Op: "write", Path: "x", Err: syscall.ENOSPC}
		}
		if full && tr.Index == 3 {
			return nil, errors.New("ill")
		}
		return productOf(ctx, tr)
	}
	table, err := Run(context.Background(), p, fn, set)
	if run.ExitCode(err) != run.ExitRetry || table.Rows[2].State != run.Interrupted || table.Rows[3].State != run.Failed {
		t.Errorf("error %v, rows %+v, %+v", err, table.Rows[2], table.Rows[3])
	}
	full = false
	table, err = Run(context.Background(), p, fn, set)
	if run.ExitCode(err) != run.ExitPermanent || table.Rows[2].State != run.Done || table.Rows[3].State != run.Failed {
		t.Errorf("again: error %v, rows %+v, %+v", err, table.Rows[2], table.Rows[3])
	}
}

// TestHeldElsewhere (faults.md, row 20): a trial at work elsewhere is passed over without an error, or waited for.
func TestHeldElsewhere(t *testing.T) {
	set, p, count := Settings{Dir: t.TempDir()}, plan12(t), counter{}
	release := hold(t, filepath.Join(p.Dir(set), p.Trials[5].ID))
	table, err := Run(context.Background(), p, count.fn(productOf), set)
	if err != nil || count.total() != 11 || table.Rows[5].Metrics != nil {
		t.Errorf("error %v, %d calls, row %+v", err, count.total(), table.Rows[5])
	}
	release()
	if _, err := Run(context.Background(), p, count.fn(productOf), set); err != nil || count.total() != 12 {
		t.Errorf("error %v, %d calls", err, count.total())
	}
	set.Dir = t.TempDir()
	release = hold(t, filepath.Join(p.Dir(set), p.Trials[0].ID))
	time.AfterFunc(300*time.Millisecond, release)
	set.Patience = time.Minute
	set.Trials = []int{0}
	if _, err := Run(context.Background(), p, count.fn(productOf), set); err != nil || count.total() != 13 {
		t.Errorf("patient: error %v, %d calls", err, count.total())
	}
}

func hold(t *testing.T, dir string) (release func()) {
	t.Helper()
	if err := run.Folder(dir); err != nil {
		t.Fatal(err)
	}
	free, err := run.Lock(context.Background(), dir, false)
	if err != nil {
		t.Fatal(err)
	}
	return func() { free() }
}

// TestManySweeps: sweeps side by side over one plan share the work, and no trial is done twice.
func TestManySweeps(t *testing.T) {
	set, p, count := Settings{Dir: t.TempDir(), Parallel: 2}, plan12(t), counter{}
	var all sync.WaitGroup
	for range 4 {
		all.Go(func() {
			if _, err := Run(context.Background(), p, count.fn(productOf), set); err != nil {
				t.Error(err)
			}
		})
	}
	all.Wait()
	if count.total() != 12 || len(count.calls) != 12 {
		t.Errorf("calls %v", count.calls)
	}
	for _, r := range must[Table](t)(Collect(p.Dir(set))).Rows {
		if r.State != run.Done {
			t.Errorf("%s is %s", r.ID, r.State)
		}
	}
}

// TestChosenTrials: Settings.Trials runs those alone.
func TestChosenTrials(t *testing.T) {
	set, p, count := Settings{Dir: t.TempDir(), Trials: []int{1, 7}}, plan12(t), counter{}
	table, err := Run(context.Background(), p, count.fn(productOf), set)
	if err != nil || !maps.Equal(count.calls, map[string]int{p.Trials[1].ID: 1, p.Trials[7].ID: 1}) || len(table.Rows) != 12 {
		t.Errorf("error %v, calls %v, %d rows", err, count.calls, len(table.Rows))
	}
	set.Trials = []int{12}
	if _, err := Run(context.Background(), p, productOf, set); err == nil || !strings.Contains(err.Error(), "12") {
		t.Errorf("index 12 of 12: %v", err)
	}
}

// TestProgress: the counts add up at every moment, and the last one says so.
func TestProgress(t *testing.T) {
	p := plan12(t)
	var seen []Progress
	set := Settings{Dir: t.TempDir(), Parallel: 3, KeepGoing: true, Show: func(s Progress) { seen = append(seen, s) }}
	must[Table](t)(Run(context.Background(), p, func(ctx context.Context, tr *Trial[config]) (map[string]float64, error) {
		if tr.Index == 3 {
			return nil, errors.New("ill")
		}
		return productOf(ctx, tr)
	}, set))
	for _, s := range seen {
		if s.Total != 12 || s.Done+s.Failed+s.Running > 12 || len(s.Now) != s.Running || s.Running > 3 {
			t.Errorf("%+v", s)
		}
	}
	last := seen[len(seen)-1]
	if !last.Ended || last.Done != 11 || last.Failed != 1 || last.Running != 0 || len(last.Failures) != 1 {
		t.Errorf("at the end %+v", last)
	}
	if text := last.String(); text != "sweep p: 11 of 12 done, 1 failed" {
		t.Errorf("%q", text)
	}
	now := slices.IndexFunc(seen, func(s Progress) bool { return len(s.Now) > 0 })
	if now < 0 || !strings.Contains(seen[now].Now[0], "sigma_max 1") {
		t.Errorf("at work: %v", seen)
	}
}

// TestRefusedConfig: a plan of other fields is refused before any trial begins.
func TestRefusedConfig(t *testing.T) {
	p := must[Plan](t)(Grid("p", struct{ Other int }{1}))
	set := Settings{Dir: t.TempDir()}
	if _, err := Run(context.Background(), p, productOf, set); err == nil || !strings.Contains(err.Error(), "Other") {
		t.Errorf("error %v", err)
	}
	if entries, _ := os.ReadDir(set.Dir); len(entries) > 0 {
		t.Error("it left files")
	}
}
