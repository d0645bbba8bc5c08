package sweep

import (
	"context"
	"fmt"
	"path/filepath"
	"time"

	"github.com/scoresde/scoresde/pkg/run"
)

// Fn does one trial: it returns what is measured, by name. It goes on from what an earlier attempt left in the trial's
// folder, saves its state and returns an error that wraps ctx's when ctx ends, and leaves results that depend on the
// configuration alone. It may be called from several goroutines.
type Fn[C any] func(ctx context.Context, t *Trial[C]) (metrics map[string]float64, err error)

// Errored says what is done with trials that failed before.
type Errored string

const (
	Keep    Errored = "keep"    // nothing: they stay failed; the default
	Resume  Errored = "resume"  // they go on from what they left
	Restart Errored = "restart" // their folders are emptied first
)

// Settings say how a plan is run. None of them changes a result.
type Settings struct {
	Dir       string         // of the sweeps; empty: runs/sweeps under run.Results()
	Parallel  int            // trials at a time; 0: 1, since a trial uses all processors
	Errored   Errored        // empty: Keep
	KeepGoing bool           // failed trials are no error at the end
	Trials    []int          // indices of the trials to run; nil: all
	Patience  time.Duration  // how long to wait for a trial that another process holds before it is passed over
	Manifest  run.Options    // what trials' manifests say besides their seeds
	Show      func(Progress) // called when something changes and every second; fig.Sweep draws it
}

// Dir is the folder of a sweep: settings and plan say where.
func (p Plan) Dir(set Settings) string {
	if set.Dir == "" {
		set.Dir = filepath.Join(run.Results(), "runs", "sweeps")
	}
	return filepath.Join(set.Dir, p.Name)
}

// Run freezes the plan and does every trial that is not done. Finished trials are never run again; interrupted ones go
// on; failed ones wait until Settings.Errored asks for them; those that another process is at work on are passed over. A
// trial that fails stops no other. The table is of the whole plan. The error, for run.ExitCode, is permanent where trials
// failed, unless Settings.KeepGoing, and temporary where ctx ended or trials can be tried again.
func Run[C any](ctx context.Context, p Plan, fn Fn[C], set Settings) (Table, error) {
	if err := set.check(len(p.Trials)); err != nil {
		return Table{}, err
	}
	configs, err := decode[C](p)
	if err != nil {
		return Table{}, err
	}
	dir := p.Dir(set)
	changed, err := p.Freeze(dir)
	if err != nil {
		return Table{}, err
	}
	s := newSweep(p, dir, configs, fn, set)
	if err := s.run(ctx); err != nil {
		return Table{}, err
	}
	table, err := Collect(dir)
	if err != nil {
		return Table{}, err
	}
	table.noteRemoved(changed)
	return table, s.verdict(ctx)
}

func (set Settings) check(trials int) error {
	switch set.Errored {
	case "", Keep, Resume, Restart:
	default:
		return fmt.Errorf("sweep: Settings.Errored = %q, want %q, %q or %q", set.Errored, Keep, Resume, Restart)
	}
	if set.Parallel < 0 {
		return fmt.Errorf("sweep: Settings.Parallel = %d, want >= 0", set.Parallel)
	}
	for _, i := range set.Trials {
		if i < 0 || i >= trials {
			return fmt.Errorf("sweep: Settings.Trials has %d, want indices below %d, the number of trials", i, trials)
		}
	}
	return nil
}

// decode reads all configurations before any work starts.
func decode[C any](p Plan) ([]C, error) {
	if err := p.check(); err != nil {
		return nil, err
	}
	configs := make([]C, len(p.Trials))
	for i, t := range p.Trials {
		if err := run.DecodeConfig([]byte(t.Config), &configs[i]); err != nil {
			return nil, fmt.Errorf("sweep: trial %s: %w", t.ID, err)
		}
	}
	return configs, nil
}
