package run

import (
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// sized is a store of so many numbers, which do not compress.
func sized(t *testing.T, n int) *model.Store {
	t.Helper()
	values, x := make([]uint32, n), uint32(1)
	for i := range values {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		values[i] = x
	}
	s := model.NewStore()
	if _, err := s.CreateVariable("/noise", tensors.FromValue(values)); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestFileSizeLimit is row 17 of the list of faults for a limit on the size of files, under which GoMLX's uncompressed
// format reports success and writes nothing: at every limit Save either returns an error that may pass, and leaves the
// older checkpoint, or has saved everything.
func TestFileSizeLimit(t *testing.T) {
	const whole = 4 * 3000
	if role() == "" {
		out, err := child(t, "limited", "DIR="+t.TempDir()).CombinedOutput()
		if err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		t.Logf("%s", out)
		return
	}
	signal.Ignore(syscall.SIGXFSZ)
	dir := os.Getenv("DIR")
	older := sized(t, 100)
	failures, successes := 0, 0
	for limit := 0; limit < whole+3000; limit = limit + 1 + limit/8 {
		os.RemoveAll(dir)
		save(t, dir, older, 1)
		newer := sized(t, 3000)
		setLimit(t, uint64(limit))
		err := Save(dir, newer, 2, nil)
		saverErr := failureOf(dir, newer)
		setLimit(t, ^uint64(0))
		want, step := newer, 3
		if err != nil {
			failures++
			want, step = older, 1
			if saverErr == nil || ExitCode(err) != ExitRetry || ExitCode(saverErr) != ExitRetry {
				t.Fatalf("limit %d: exit codes %d and %d of %v, %v", limit, ExitCode(err), ExitCode(saverErr), err, saverErr)
			}
		} else {
			successes++
		}
		got := model.NewStore()
		text := stderr(t, func() {
			if s, loaded := Load(dir, got, nil); loaded != nil || s != step {
				t.Fatalf("limit %d: loaded step %d, %v; Save had returned %v", limit, s, loaded, err)
			}
		})
		sameStore(t, got, want)
		if text != "" {
			t.Errorf("limit %d: a failed save left a damaged checkpoint: %s", limit, text)
		}
		if names := visible(t, dir); strings.Contains(strings.Join(names, " "), tempPrefix) {
			t.Errorf("limit %d left %v", limit, names)
		}
	}
	checkCutLine(t, filepath.Join(dir, "trial"))
	if failures < 20 || successes < 2 {
		t.Errorf("%d limits made Save fail, %d did not", failures, successes)
	}
	fmt.Printf("Save failed under %d limits, succeeded under %d\n", failures, successes)
}

// checkCutLine: a line of which only a part could be written is torn, and those after it are read.
func checkCutLine(t *testing.T, dir string) {
	trial := open(t, dir)
	first, second := Point{1, map[string]float64{"loss": 0.5}}, Point{2, map[string]float64{"loss": 0.25}}
	logged(t, trial, first)
	setLimit(t, 30)
	if err := trial.Log(2, second.Values); ExitCode(err) != ExitRetry {
		t.Errorf("a line over the limit: exit code %d of %v", ExitCode(err), err)
	}
	setLimit(t, ^uint64(0))
	logged(t, trial, second)
	got, torn, err := ReadMetrics(filepath.Join(dir, metricsFile))
	if err != nil || torn != 1 || !sameBitsOf(got, []Point{first, second}) {
		t.Errorf("metrics %v, %d torn, %v", got, torn, err)
	}
}

// failureOf saves step 3 in the background.
func failureOf(dir string, s *model.Store) error {
	var saver Saver
	if err := saver.Save(dir, s, 3, nil); err != nil {
		return err
	}
	return saver.Wait()
}

func setLimit(t *testing.T, bytes uint64) {
	t.Helper()
	limit := syscall.Rlimit{Cur: bytes, Max: ^uint64(0)}
	if err := syscall.Setrlimit(syscall.RLIMIT_FSIZE, &limit); err != nil {
		t.Fatal(err)
	}
}

// TestFullDisk is row 17 for a disk of 256 KiB: the save that does not fit fails with an error that may pass, the older
// checkpoint loads, and when there is room again the run goes on.
func TestFullDisk(t *testing.T) {
	dir := t.TempDir()
	mount(t, dir, 0, "size=256k")
	runDir := filepath.Join(dir, "run")
	trial := open(t, runDir)
	older := sized(t, 25000) // 100 kB
	save(t, runDir, older, 1)
	for step := 2; step < 5; step++ {
		if err := Save(runDir, sized(t, 50000), step, nil); ExitCode(err) != ExitRetry {
			t.Fatalf("exit code %d of %v", ExitCode(err), err)
		}
	}
	got := model.NewStore()
	if step, err := Load(runDir, got, nil); err != nil || step != 1 {
		t.Fatalf("step %d, %v", step, err)
	}
	sameStore(t, got, older)
	fill := filepath.Join(dir, "fill")
	if err := os.WriteFile(fill, make([]byte, 1<<20), 0o644); err == nil {
		t.Fatal("the disk is not full")
	}
	long := map[string]float64{strings.Repeat("x", 5000): 1}
	if err := trial.Log(1, long); ExitCode(err) != ExitRetry {
		t.Errorf("a line on a full disk: exit code %d of %v", ExitCode(err), err)
	}
	if err := os.Remove(fill); err != nil {
		t.Fatal(err)
	}
	logged(t, trial, Point{2, nil})
	points, torn, err := ReadMetrics(filepath.Join(runDir, metricsFile))
	if err != nil || torn > 1 || len(points) != 1 || points[0].Step != 2 {
		t.Errorf("metrics %v, %d torn, %v", points, torn, err)
	}
	if err := trial.Close(nil); err != nil {
		t.Error(err)
	}
}
