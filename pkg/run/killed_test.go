package run

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// TestCutSave is row 16 of the list of faults, byte by byte: a kill after any number of bytes of a checkpoint leaves a
// prefix of its files, in the order in which they are written, under the temporary name. The checkpoint before it loads,
// without a word, and the next holder of the lock clears it away.
func TestCutSave(t *testing.T) {
	dir := t.TempDir()
	older := store(t, 1)
	save(t, dir, older, 1)
	save(t, dir, store(t, 2), 2)
	whole := filepath.Join(dir, "step-000000002")
	names := visible(t, whole)
	order := []string{".bin", ".json", stateFile, sumsFile}
	rank := func(name string) int {
		return slices.IndexFunc(order, func(o string) bool { return o == name || name != stateFile && filepath.Ext(name) == o })
	}
	slices.SortFunc(names, func(a, b string) int { return rank(a) - rank(b) })
	blobs := make([][]byte, len(names))
	for k, name := range names {
		var err error
		if blobs[k], err = os.ReadFile(filepath.Join(whole, name)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.RemoveAll(whole); err != nil {
		t.Fatal(err)
	}
	cuts := 0
	for k, name := range names {
		for n := 0; n <= len(blobs[k]); n += 1 + len(blobs[k])/40 {
			cuts++
			temp := filepath.Join(dir, fmt.Sprintf("%s%d-%d", tempPrefix, k, n))
			if err := os.Mkdir(temp, 0o755); err != nil {
				t.Fatal(err)
			}
			for j := range k {
				if err := os.WriteFile(filepath.Join(temp, names[j]), blobs[j], 0o644); err != nil {
					t.Fatal(err)
				}
			}
			if err := os.WriteFile(filepath.Join(temp, name), blobs[k][:n], 0o644); err != nil {
				t.Fatal(err)
			}
			got := model.NewStore()
			text := stderr(t, func() {
				if step, err := Load(dir, got, nil); err != nil || step != 1 {
					t.Fatalf("%s cut after %d bytes: step %d, %v", name, n, step, err)
				}
			})
			sameStore(t, got, older)
			if text != "" {
				t.Errorf("%s cut after %d bytes: %s", name, n, text)
			}
		}
	}
	open(t, dir).Close(nil)
	if left := strings.Join(visible(t, dir), " "); strings.Contains(left, tempPrefix) {
		t.Errorf("left %s", left)
	}
	t.Logf("%d cuts", cuts)
}

// TestKilledSaves is row 16 with real kills: a process that does nothing but save dies at random moments. What it has
// reported as saved, or something newer, loads, whole.
func TestKilledSaves(t *testing.T) {
	if role() == "saver" {
		s := store(t, 1)
		trial := open(t, os.Getenv("DIR"))
		first := 1
		if step, err := Load(trial.Dir, model.NewStore(), nil); err == nil {
			first = step + 1
		}
		for step := first; ; step++ {
			s.GetVariable("/adam/step").SetValue(tensors.FromScalar(int64(step)))
			if err := Save(trial.Dir, s, step, nil); err != nil {
				fmt.Println("error", err)
				os.Exit(1)
			}
			fmt.Println("saved", step)
		}
	}
	kills := 40
	if testing.Short() {
		kills = 8
	}
	dir, hits := t.TempDir(), 0
	rng := rand.New(rand.NewPCG(1, 2))
	last := 0
	for range kills {
		c := child(t, "saver", "DIR="+dir)
		var out strings.Builder
		c.Stdout = &out
		if err := c.Start(); err != nil {
			t.Fatal(err)
		}
		time.Sleep(40*time.Millisecond + time.Duration(rng.Int64N(int64(60*time.Millisecond))))
		c.Process.Kill()
		c.Wait()
		if status := c.ProcessState.Sys().(syscall.WaitStatus); status.Signal() != syscall.SIGKILL {
			t.Fatalf("the child ended by itself: %s", &out)
		}
		for line := range strings.Lines(out.String()) {
			fmt.Sscanf(line, "saved %d", &last)
		}
		for _, name := range visible(t, dir) {
			if strings.HasPrefix(name, tempPrefix) {
				hits++
			}
		}
		got := model.NewStore()
		var step int
		text := stderr(t, func() { step, _ = Load(dir, got, nil) })
		if step < last || text != "" {
			t.Fatalf("loaded step %d after %d was saved; stderr %q", step, last, text)
		}
		if step == 0 {
			continue // killed before the first
		}
		want := store(t, 1)
		want.GetVariable("/adam/step").SetValue(tensors.FromScalar(int64(step)))
		save(t, t.TempDir(), want, 0) // which adds GoMLX's step counter
		sameStore(t, got, want)
	}
	save(t, dir, store(t, 1), last+1) // old ones that a kill left are removed by the next that is not killed
	if names := checkpoints(dir); len(names) != keptCheckpoints {
		t.Errorf("kept %v", names)
	}
	t.Logf("%d of %d kills hit the writing of a checkpoint; %d were saved", hits, kills, last)
	if hits == 0 {
		t.Error("no kill hit the writing of a checkpoint")
	}
}
