package sweep

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"sync"
	"time"

	"github.com/BurntSushi/toml"

	"github.com/scoresde/scoresde/pkg/run"
)

// sweep is a plan at work in one process.
type sweep[C any] struct {
	plan    Plan
	dir     string
	configs []C
	fn      Fn[C]
	set     Settings
	chosen  []int // indices of the trials to run

	showing  sync.Mutex // one call of Settings.Show at a time
	mu       sync.Mutex // guards what follows
	states   map[int]run.State
	errs     map[int]error
	running  map[int]bool // in this process
	finished int          // by this process
	began    time.Time
}

func newSweep[C any](p Plan, dir string, configs []C, fn Fn[C], set Settings) *sweep[C] {
	s := &sweep[C]{
		plan: p, dir: dir, configs: configs, fn: fn, set: set, chosen: set.Trials,
		states: map[int]run.State{}, errs: map[int]error{}, running: map[int]bool{}, began: time.Now(),
	}
	if s.chosen == nil {
		for i := range p.Trials {
			s.chosen = append(s.chosen, i)
		}
	}
	return s
}

// run does what is to be done. Its own errors are those of the sweep as a whole.
func (s *sweep[C]) run(ctx context.Context) error {
	todo, err := s.todo()
	if err != nil {
		return err
	}
	stop := s.watch()
	defer stop()
	queue := make(chan int)
	var workers sync.WaitGroup
	for range max(s.set.Parallel, 1) {
		workers.Go(func() {
			for i := range queue {
				if ctx.Err() == nil { // after its end trials are passed over
					s.try(ctx, i)
				}
			}
		})
	}
	for _, i := range todo {
		queue <- i
	}
	close(queue)
	workers.Wait()
	return nil
}

// todo lists what is not done.
func (s *sweep[C]) todo() (trials []int, err error) {
	for _, i := range s.chosen {
		state, err := s.before(i)
		if err != nil {
			return nil, err
		}
		s.states[i] = state
		if state != run.Done && state != run.Failed {
			trials = append(trials, i)
		}
	}
	return trials, nil
}

func (s *sweep[C]) folder(i int) string { return filepath.Join(s.dir, s.plan.Trials[i].ID) }

// before is the state of a trial that is Done or remains Failed; any other is to be run.
func (s *sweep[C]) before(i int) (run.State, error) {
	state, status, err := stateOf(s.folder(i))
	if err != nil {
		return "", err
	}
	if state == run.Failed {
		if s.set.Errored == Resume || s.set.Errored == Restart {
			return pending, nil
		}
		s.errs[i] = errors.New(status.Error)
	}
	return state, nil
}

// pending is the state of a trial that nobody has begun.
const pending run.State = "pending"

// stateOf tells how the trial in a folder stands. A failure that may pass counts as an interruption.
func stateOf(dir string) (run.State, run.Status, error) {
	done, err := readResult(dir)
	if err != nil {
		return "", run.Status{}, err
	}
	status, err := run.ReadStatus(dir)
	switch {
	case done != nil:
		return run.Done, status, nil
	case errors.Is(err, fs.ErrNotExist):
		return pending, status, nil
	case err != nil:
		return "", status, fmt.Errorf("sweep: %w", err)
	case status.State == run.Failed && status.Retry, status.State == run.Done: // done without a result: it was removed
		return run.Interrupted, status, nil
	}
	return status.State, status, nil
}

// open begins an attempt of a trial; nil where there is nothing to do, after it was noted why.
func (s *sweep[C]) open(ctx context.Context, i int) *Trial[C] {
	t := &Trial[C]{ID: s.plan.Trials[i].ID, Index: i, Config: s.configs[i], Dir: s.folder(i)}
	err := s.claim(ctx, t)
	if errors.Is(err, run.ErrRunning) {
		s.note(i, run.Running, nil)
		return nil
	}
	if err != nil {
		s.note(i, stateAfter(err), err)
		return nil
	}
	if done, err := readResult(t.Dir); err != nil || done != nil { // another process was faster
		s.end(ctx, t, err)
		return nil
	}
	s.mu.Lock()
	s.running[i] = true
	s.mu.Unlock()
	s.show()
	return t
}

// claim takes the trial's folder, waiting for another process as long as Settings.Patience allows.
func (s *sweep[C]) claim(ctx context.Context, t *Trial[C]) (err error) {
	if s.set.Errored == Restart {
		if _, status, err := stateOf(t.Dir); err == nil && status.State == run.Failed {
			t.Restart = true
			if err := run.Empty(ctx, t.Dir, run.Failed); err != nil {
				return err
			}
		}
	}
	options := s.set.Manifest
	options.Seeds = append(slices.Clone(options.Seeds), seedsOf(s.plan.Trials[t.Index])...)
	for deadline := time.Now().Add(s.set.Patience); ; {
		t.run, err = run.Open(ctx, t.Dir, t.Config, options)
		if !errors.Is(err, run.ErrRunning) || time.Now().After(deadline) || ctx.Err() != nil {
			return err
		}
		select {
		case <-ctx.Done():
		case <-time.After(min(time.Second, s.set.Patience)):
		}
	}
}

// seedsOf is the seed of a configuration that has one.
func seedsOf(p Planned) []int64 {
	var tables map[string]any
	if _, err := toml.Decode(p.Config, &tables); err != nil {
		return nil // it was decoded before
	}
	if seed, ok := tables[SeedKey].(int64); ok {
		return []int64{seed}
	}
	return nil
}

// try does one trial.
func (s *sweep[C]) try(ctx context.Context, i int) {
	t := s.open(ctx, i)
	if t == nil {
		return
	}
	start := time.Now()
	metrics, err := s.guarded(ctx, t)
	s.ended(i, t.finish(ctx, metrics, time.Since(start).Seconds(), err))
}

// guarded calls fn. A panic is a failure of the trial.
func (s *sweep[C]) guarded(ctx context.Context, t *Trial[C]) (metrics map[string]float64, err error) {
	defer func() {
		switch r := recover().(type) {
		case nil:
		case error:
			err = fmt.Errorf("sweep: the trial panicked: %w", r)
		default:
			err = fmt.Errorf("sweep: the trial panicked: %v", r)
		}
	}()
	return s.fn(ctx, t)
}

// end closes an attempt that was not made.
func (s *sweep[C]) end(ctx context.Context, t *Trial[C], err error) {
	err = errors.Join(err, t.run.Close(err))
	s.note(t.Index, stateAfter(err), err)
}

func (s *sweep[C]) ended(i int, err error) {
	s.mu.Lock()
	delete(s.running, i)
	s.finished++
	s.mu.Unlock()
	s.note(i, stateAfter(err), err)
}

func (s *sweep[C]) note(i int, state run.State, err error) {
	s.mu.Lock()
	s.states[i], s.errs[i] = state, err
	s.mu.Unlock()
	s.show()
}

// stateAfter is the state in which an attempt leaves a trial.
func stateAfter(err error) run.State {
	switch run.ExitCode(err) {
	case run.ExitDone:
		return run.Done
	case run.ExitRetry:
		return run.Interrupted
	}
	return run.Failed
}

// verdict is the error of the whole.
func (s *sweep[C]) verdict(ctx context.Context) error {
	count := map[run.State]int{}
	first := map[run.State]int{}
	for _, i := range s.chosen {
		state := s.states[i]
		if count[state] == 0 {
			first[state] = i
		}
		count[state]++
	}
	n := len(s.chosen)
	if ctx.Err() != nil && count[run.Done]+count[run.Failed]+count[run.Running] < n {
		return fmt.Errorf("sweep: stopped with %d of %d trials done; run again to go on: %w", count[run.Done], n, context.Cause(ctx))
	}
	if k := count[run.Interrupted]; k > 0 {
		i := first[run.Interrupted]
		return fmt.Errorf("sweep: %d of %d trials can be tried again, the first %s: %w", k, n, s.plan.Trials[i].ID, s.errs[i])
	}
	if k := count[run.Failed]; k > 0 && !s.set.KeepGoing {
		i := first[run.Failed]
		return run.Permanent(fmt.Errorf("sweep: %d of %d trials failed, the first %s: %w", k, n, s.plan.Trials[i].ID, s.errs[i]))
	}
	return nil
}
