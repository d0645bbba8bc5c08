package train

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/run"
)

func tiny(steps int) Config {
	cfg, _ := small(steps)
	cfg.Batch = 8
	return cfg
}

// TestFolder: what a finished run leaves, for people and programs.
func TestFolder(t *testing.T) {
	cfg := tiny(12)
	cfg.Seed = -3
	f := mustFit(t, cfg, points(20), Settings{Backend: backend.Go(), Dir: t.TempDir()})
	var config resolved
	if err := run.ReadConfig(filepath.Join(f.Dir, "config.toml"), &config); err != nil {
		t.Fatal(err)
	}
	if config.Recipe != cfg.Recipe || !strings.Contains(config.What, cfg.Objective.String()) || !strings.HasSuffix(f.Dir, config.ID) {
		t.Errorf("config.toml holds %+v", config)
	}
	m, err := run.ReadManifest(f.Dir)
	if err != nil || !slices.Equal(m.Seeds, []int64{-3}) || len(m.Data["data"]) != 64 || len(m.Data) != 1 || m.Backend != "go" || m.Device == "" {
		t.Errorf("manifest %+v, %v", m, err)
	}
	if s, err := run.ReadStatus(f.Dir); err != nil || s.State != run.Done || s.Attempts != 1 {
		t.Errorf("status %+v, %v", s, err)
	}
	if _, err := os.Stat(filepath.Join(f.Dir, "lock")); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a lock stays: %v", err)
	}
}

// TestOlderRuns: finished runs of the time before runs had a status load, and unfinished ones go on, to the same bits.
func TestOlderRuns(t *testing.T) {
	cfg, data := tiny(40), points(20)
	strip := func(dir string) {
		for _, name := range []string{"config.toml", "manifest.json", "status.json", "metrics.jsonl", ".guard"} {
			if err := os.Remove(filepath.Join(dir, name)); err != nil {
				t.Fatal(err)
			}
		}
	}
	set := Settings{Backend: backend.Go(), Dir: t.TempDir()}
	f := mustFit(t, cfg, data, set)
	strip(f.Dir)
	again := mustFit(t, cfg, data, set)
	if !again.Loaded {
		t.Error("a finished run was not loaded")
	}
	if names, _ := filepath.Glob(filepath.Join(f.Dir, "status.json")); len(names) != 0 {
		t.Error("loading wrote into the folder")
	}
	set.Dir = t.TempDir()
	stopped := stop(t, cfg, set, 9)
	strip(stopped)
	g := mustFit(t, cfg, data, set)
	if g.Loaded {
		t.Error("an unfinished run was loaded")
	}
	same(t, "went on", weights(t, g.Store, g.Name), weights(t, f.Store, f.Name))
}

// stop trains cfg until after a step and returns the run's folder.
func stop(t *testing.T, cfg Config, set Settings, after int) string {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	why := errors.New("no time")
	set.CheckpointEvery = after // a chunk ends there
	set.OnLoss = func(step int, _ float64) {
		if step >= after {
			cancel(why)
		}
	}
	f, err := Fit(ctx, cfg, Rows(points(20)), set)
	if !errors.Is(err, why) {
		t.Fatalf("stopped with %v", err)
	}
	return f.Dir
}

// TestDamagedStatus: a status that cannot be read does not keep a run from going on.
func TestDamagedStatus(t *testing.T) {
	cfg, set := tiny(40), Settings{Backend: backend.Go(), Dir: t.TempDir()}
	dir := stop(t, cfg, set, 9)
	if err := os.WriteFile(filepath.Join(dir, "status.json"), []byte("{\"sta"), 0o644); err != nil {
		t.Fatal(err)
	}
	mustFit(t, cfg, points(20), set)
	if s, err := run.ReadStatus(dir); err != nil || s.State != run.Done {
		t.Errorf("status %+v, %v", s, err)
	}
}

// TestCrossedRuns is row 18 of the list of faults for whole checkpoints: that of another run is refused, with both names.
func TestCrossedRuns(t *testing.T) {
	a, b := tiny(20), tiny(20)
	b.Seed = 2
	set := Settings{Backend: backend.Go(), Dir: t.TempDir()}
	f, g := mustFit(t, a, points(20), set), mustFit(t, b, points(20), set)
	from, _ := filepath.Glob(filepath.Join(g.Dir, "step-*"))
	to, _ := filepath.Glob(filepath.Join(f.Dir, "step-*"))
	if len(from) != 1 || len(to) != 1 {
		t.Fatalf("checkpoints %v and %v", from, to)
	}
	if err := errors.Join(os.RemoveAll(to[0]), os.Rename(from[0], to[0])); err != nil {
		t.Fatal(err)
	}
	_, err := Fit(t.Context(), a, Rows(points(20)), set)
	if err == nil || !strings.Contains(err.Error(), strings.TrimPrefix(g.Name, "small-")) || !strings.Contains(err.Error(), strings.TrimPrefix(f.Name, "small-")) {
		t.Errorf("got %v", err)
	}
}

// TestFailedRun is row 8 of the list of faults: a loss that is not finite ends the run for good, with the step in its
// status, and the last good checkpoint stays.
func TestFailedRun(t *testing.T) {
	cfg := tiny(30)
	cfg.Net = bomb{At: 17}
	f, err := Fit(t.Context(), cfg, Rows(points(20)), Settings{Backend: backend.Go(), Dir: t.TempDir(), CheckpointEvery: 5})
	if err == nil || run.ExitCode(err) != run.ExitPermanent {
		t.Fatalf("exit code %d of %v", run.ExitCode(err), err)
	}
	if s, err := run.ReadStatus(f.Dir); err != nil || s.State != run.Failed || s.Retry || !strings.Contains(s.Error, "step 17") {
		t.Errorf("status %+v, %v", s, err)
	}
	if names, _ := filepath.Glob(filepath.Join(f.Dir, "step-*17")); len(names) != 1 {
		t.Error("no checkpoint of the step before")
	}
}

// TestTakenOver: a process that has lost its run, because it showed no sign of life, stops and writes no checkpoint.
func TestTakenOver(t *testing.T) {
	cfg, set := tiny(30), Settings{Backend: backend.Go(), Dir: t.TempDir(), CheckpointEvery: 10}
	set.OnLoss = func(step int, _ float64) {
		if step != 20 {
			return
		}
		locks, _ := filepath.Glob(filepath.Join(set.Dir, "*", "lock"))
		blob := []byte(`{"pid":1,"host":"elsewhere","token":"other"}`)
		if err := os.WriteFile(locks[0], blob, 0o644); err != nil {
			t.Error(err)
		}
	}
	f, err := Fit(t.Context(), cfg, Rows(points(20)), set)
	if !errors.Is(err, run.ErrRunning) || !strings.Contains(err.Error(), "process 1 on elsewhere") {
		t.Fatalf("got %v", err)
	}
	if names, _ := filepath.Glob(filepath.Join(f.Dir, "step-*")); len(names) != 1 || !strings.HasSuffix(names[0], "10") {
		t.Errorf("checkpoints %v, want that of step 10", names)
	}
}

// TestCheckpointEvery: checkpoints come at the steps asked for, the last two stay.
func TestCheckpointEvery(t *testing.T) {
	cfg := tiny(25)
	set := Settings{Backend: backend.Go(), Dir: t.TempDir(), CheckpointEvery: -1}
	if _, err := Fit(t.Context(), cfg, Rows(points(20)), set); err == nil || !strings.Contains(err.Error(), "CheckpointEvery = -1") {
		t.Errorf("got %v", err)
	}
	set.CheckpointEvery = 10
	f := mustFit(t, cfg, points(20), set)
	names, _ := filepath.Glob(filepath.Join(f.Dir, "step-*"))
	if len(names) != 2 || !strings.HasSuffix(names[0], "20") || !strings.HasSuffix(names[1], "25") {
		t.Errorf("checkpoints %v, want those of the steps 20 and 25", names)
	}
}
