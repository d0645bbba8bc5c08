package train

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/run"
)

// victim is what the children train: on the Go engine, which compiles nothing, with a checkpoint every few steps.
func victim() (Config, Settings) {
	cfg := Default("victim", process, nets.MLP{Width: 8, Depth: 2})
	cfg.Steps, cfg.Batch, cfg.WarmUp, cfg.EMA = 250, 8, 25, 0.95
	return cfg, Settings{Backend: backend.Go(), CheckpointEvery: 21} // between two points of the losses
}

// trainVictim is the child's part: train until the end, or a signal, and end with the code for it.
func trainVictim(t *testing.T) {
	cfg, set := victim()
	set.Dir = os.Getenv("DIR")
	announced := false
	set.OnLoss = func(step int, _ float64) {
		if step > 0 && !announced {
			announced = true
			fmt.Println("training")
		}
	}
	f, err := Fit(run.Context(), cfg, Rows(points(100)), set)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
	} else if f.Loaded {
		fmt.Println("loaded")
	}
	os.Exit(run.ExitCode(err))
}

const victimKey = "SCORESDE_TEST_VICTIM"

// child starts this test in a process of its own, which calls trainVictim.
func child(t *testing.T, dir string) (c *exec.Cmd, stdout io.ReadCloser, stderr *strings.Builder) {
	t.Helper()
	c = exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$")
	c.Env = append(os.Environ(), victimKey+"=1", "DIR="+dir)
	stderr = new(strings.Builder)
	c.Stderr = stderr
	stdout, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	return c, stdout, stderr
}

// remains is what a finished victim leaves: a hash of every variable's path, flag and bits in the order of the store, and
// of the metrics.
func remains(t *testing.T, dir string) string {
	t.Helper()
	folders, err := filepath.Glob(filepath.Join(dir, "victim-*"))
	if err != nil || len(folders) != 1 {
		t.Fatalf("%v, %v", folders, err)
	}
	store := model.NewStore()
	cfg, _ := victim()
	if step, err := run.Load(folders[0], store, nil); err != nil || step != cfg.Steps {
		t.Fatalf("step %d of %d, %v", step, cfg.Steps, err)
	}
	if s, err := run.ReadStatus(folders[0]); err != nil || s.State != run.Done {
		t.Errorf("status %+v, %v", s, err)
	}
	h := sha256.New()
	for v := range store.IterVariables() {
		fmt.Fprintln(h, v.Path(), v.Shape(), v.Trainable)
		if err := v.MustValue().ConstBytes(func(b []byte) { h.Write(b) }); err != nil {
			t.Fatal(err)
		}
	}
	metrics, err := os.ReadFile(filepath.Join(folders[0], "metrics.jsonl"))
	if err != nil || len(metrics) == 0 {
		t.Fatal("no metrics", err)
	}
	h.Write(metrics)
	return fmt.Sprintf("%x", h.Sum(nil))
}

// undisturbed trains the victim in this process.
func undisturbed(t *testing.T) (hash string, took time.Duration) {
	t.Helper()
	cfg, set := victim()
	set.Dir = t.TempDir()
	start := time.Now()
	mustFit(t, cfg, points(100), set)
	return remains(t, set.Dir), time.Since(start)
}

// writing says that a checkpoint is, or was at the death of the process, half written.
func writing(t *testing.T, dir string) bool {
	t.Helper()
	temporary, err := filepath.Glob(filepath.Join(dir, "victim-*", ".checkpoint-*"))
	if err != nil {
		t.Fatal(err)
	}
	return len(temporary) > 0
}

// TestKilled is rows 12, 15 and 16 of the list of faults: killed at random moments, a run goes on from its last checkpoint
// and ends as the undisturbed one, to the bit: weights, moments, averages, random states, record of losses.
func TestKilled(t *testing.T) {
	if os.Getenv(victimKey) != "" {
		trainVictim(t)
	}
	want, took := undisturbed(t)
	total := 50
	if testing.Short() {
		total = 10
	}
	rng := rand.New(rand.NewPCG(3, 4))
	kills, hits, runs := 0, 0, 0
	for kills < total {
		dir := t.TempDir()
		for range 2 * total {
			c, out, stderr := child(t, dir)
			go io.Copy(io.Discard, out)
			timer := time.AfterFunc(30*time.Millisecond+time.Duration(rng.Int64N(int64(took))), func() { c.Process.Kill() })
			err := c.Wait()
			timer.Stop()
			if err == nil {
				break
			}
			if status := c.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
				t.Fatalf("the child ended by itself: %v, %s", err, stderr)
			}
			kills++
			if writing(t, dir) {
				hits++
			}
		}
		runs++
		if got := remains(t, dir); got != want {
			t.Fatalf("run %d ended in other bits after %d kills in all", runs, kills)
		}
		if writing(t, dir) {
			t.Error("a half-written checkpoint stays")
		}
	}
	t.Logf("%d kills in %d runs, %d of them while a checkpoint was written", kills, runs, hits)
}

// TestStopped is row 21 of the list of faults: on each of three signals a run saves a checkpoint and its process ends with
// the code for trying again; it goes on to the same bits.
func TestStopped(t *testing.T) {
	if os.Getenv(victimKey) != "" {
		trainVictim(t)
	}
	want, _ := undisturbed(t)
	for _, s := range []syscall.Signal{syscall.SIGTERM, syscall.SIGUSR1, syscall.SIGINT} {
		dir, stops := t.TempDir(), 0
		for {
			c, out, stderr := child(t, dir)
			line := make([]byte, 9)
			if _, err := io.ReadFull(out, line); err != nil || string(line) != "training\n" {
				t.Fatalf("%v: the child says %q, %v; %s", s, line, err, stderr)
			}
			go io.Copy(io.Discard, out)
			if stops < 3 {
				c.Process.Signal(s)
			}
			err := c.Wait()
			if err == nil {
				break
			}
			stops++
			if c.ProcessState.ExitCode() != run.ExitRetry || !strings.Contains(stderr.String(), "run again") || !strings.Contains(stderr.String(), s.String()) {
				t.Fatalf("%v: ended with %v, says %q", s, err, stderr)
			}
			folders, _ := filepath.Glob(filepath.Join(dir, "victim-*"))
			if status, err := run.ReadStatus(folders[0]); err != nil || status.State != run.Interrupted || !status.Retry || status.Attempts != stops {
				t.Errorf("%v: status %+v, %v", s, status, err)
			}
		}
		if stops == 0 {
			t.Errorf("%v stopped nothing", s)
		}
		if got := remains(t, dir); got != want {
			t.Errorf("%v: stopped %d times, the run ended in other bits", s, stops)
		}
	}
}

// TestTwoProcesses is row 20 of the list of faults: of processes that want the same run one trains it; the others wait,
// say so, and load its result.
func TestTwoProcesses(t *testing.T) {
	if os.Getenv(victimKey) != "" {
		trainVictim(t)
	}
	want, _ := undisturbed(t)
	dir := t.TempDir()
	first, out, _ := child(t, dir)
	line := make([]byte, 9)
	if _, err := io.ReadFull(out, line); err != nil {
		t.Fatal(err)
	}
	go io.Copy(io.Discard, out)
	type outcome struct {
		err          error
		said, stderr string
	}
	outcomes := make(chan outcome)
	for range 2 {
		c, out, stderr := child(t, dir)
		go func() {
			said, err := io.ReadAll(out)
			outcomes <- outcome{errors.Join(err, c.Wait()), string(said), stderr.String()}
		}()
	}
	for range 2 {
		o := <-outcomes
		if o.err != nil || o.said != "loaded\n" || strings.Count(o.stderr, "waiting") != 1 || !strings.Contains(o.stderr, fmt.Sprint("process ", first.Process.Pid)) {
			t.Errorf("a second process: %v, stdout %q, stderr %q", o.err, o.said, o.stderr)
		}
	}
	if err := first.Wait(); err != nil {
		t.Error(err)
	}
	if got := remains(t, dir); got != want {
		t.Error("the run ended in other bits")
	}
	folders, _ := filepath.Glob(filepath.Join(dir, "victim-*"))
	if s, err := run.ReadStatus(folders[0]); err != nil || s.Attempts != 1 || s.PID != first.Process.Pid {
		t.Errorf("status %+v, %v; want one attempt by the first process", s, err)
	}
}
