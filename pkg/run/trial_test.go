package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// TestTrial: a run's folder from the first opening to the last.
func TestTrial(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "new", "trial")
	if _, err := ReadStatus(dir); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("status of nothing: %v", err)
	}
	config := base{Steps: 3, Seed: -1}
	set := Options{Seeds: []int64{-1, 0}, Data: map[string]string{"digits": "ab"}, Backend: "go", Device: "cpu (/opt/x/y.so)"}
	trial, err := Open(t.Context(), dir, config, set)
	if err != nil {
		t.Fatal(err)
	}
	s, err := ReadStatus(dir)
	if err != nil || s.State != Running || s.Attempts != 1 || s.PID != os.Getpid() || time.Since(s.Started) > time.Minute || !s.Ended.IsZero() {
		t.Errorf("at work: %+v, %v", s, err)
	}
	_, err = Open(t.Context(), dir, config, set)
	if !errors.Is(err, ErrRunning) || !strings.Contains(err.Error(), fmt.Sprint(os.Getpid())) {
		t.Errorf("opened twice: %v", err)
	}
	var read base
	if err := ReadConfig(filepath.Join(dir, configFile), &read); err != nil || read != config {
		t.Errorf("config.toml holds %+v, %v", read, err)
	}
	m, err := ReadManifest(dir)
	if err != nil || !reflect.DeepEqual(m.Seeds, set.Seeds) || !reflect.DeepEqual(m.Data, set.Data) || m.Backend != "go" || m.Device != "cpu (y.so)" || m.Go == "" || len(m.GoMod) != 64 || time.Since(m.Created) > time.Minute {
		t.Errorf("manifest %+v, %v", m, err)
	}
	for range 2 {
		if err := trial.Close(errors.New("loss is NaN")); err != nil {
			t.Fatal(err)
		}
	}
	s, err = ReadStatus(dir)
	if err != nil || s.State != Failed || s.Error != "loss is NaN" || s.Retry || !(s.Seconds > 0) || s.Ended.Before(s.Started) {
		t.Errorf("failed: %+v, %v", s, err)
	}
	ends := []struct {
		err   error
		state State
		retry bool
	}{
		{fmt.Errorf("x: %w", Signal{syscall.SIGUSR1}), Interrupted, true},
		{fmt.Errorf("x: %w", syscall.ENOSPC), Failed, true},
		{Permanent(fmt.Errorf("x: %w", syscall.ENOSPC)), Failed, false},
		{nil, Done, false},
	}
	for k, c := range ends {
		before := s.Seconds
		trial, err := Open(t.Context(), dir, config, set)
		if err != nil {
			t.Fatal(err)
		}
		if err := trial.Close(c.err); err != nil {
			t.Fatal(err)
		}
		s, err = ReadStatus(dir)
		if err != nil || s.State != c.state || s.Retry != c.retry || s.Attempts != k+2 || s.Seconds <= before || (s.Error == "") != (c.err == nil) {
			t.Errorf("closed with %v: %+v, %v", c.err, s, err)
		}
	}
	if names, want := visible(t, dir), []string{guardFile, configFile, manifestFile, metricsFile, statusFile}; !reflect.DeepEqual(names, want) {
		t.Errorf("left %v, want %v", names, want)
	}
}

// TestAnotherConfig is row 19 of the list of faults: a folder that was begun with another config, seeds or data is
// refused, with every difference and nothing else, and stays as it was.
func TestAnotherConfig(t *testing.T) {
	dir := t.TempDir()
	first := plan{Base: base{Steps: 3, Seed: 1}, Rate: 0.5, Limits: map[string]float64{"a": 1, "b": 2}, Grid: []kernel{{"x", 1}}}
	set := Options{Seeds: []int64{1}, Data: map[string]string{"digits": "ab"}}
	trial, err := Open(t.Context(), dir, first, set)
	if err != nil {
		t.Fatal(err)
	}
	trial.Close(nil)
	contents := func() string {
		text := ""
		for _, name := range []string{configFile, manifestFile, statusFile} {
			blob, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil {
				t.Fatal(err)
			}
			text += string(blob)
		}
		return text
	}
	before := contents()
	second := first
	second.Base.Steps, second.Rate = 4, 0.25
	second.Limits = map[string]float64{"a": 1, "c": 2}
	otherData, otherSeeds := set, set
	otherData.Data = map[string]string{"digits": "cd", "more": "ef"}
	otherSeeds.Seeds = []int64{2}
	for _, c := range []struct {
		name     string
		config   any
		set      Options
		says     []string
		notAbout string
	}{
		{"config", second, set, []string{"Base.Steps is 4, was 3", "Rate is 0.25, was 0.5", "Limits.b is not there, was 2", "Limits.c is 2, was not there"}, "Seed"},
		{"data", first, otherData, []string{`data.digits is "cd", was "ab"`, `data.more is "ef", was not there`}, "seeds is"},
		{"seeds", first, otherSeeds, []string{`seeds is "[2]", was "[1]"`}, "digits"},
	} {
		_, err := Open(t.Context(), dir, c.config, c.set)
		for _, says := range c.says {
			if err == nil || !strings.Contains(err.Error(), says) || strings.Contains(err.Error(), c.notAbout) || ExitCode(err) != ExitPermanent {
				t.Errorf("%s: got %v, want %q and nothing of %s", c.name, err, says, c.notAbout)
			}
		}
	}
	if contents() != before {
		t.Error("a refused opening changed the folder")
	}
	mustLock(t, dir)() // it holds no lock either
	reordered := map[string]any{}
	text, _ := EncodeConfig(first)
	if err := DecodeConfig(text, &reordered); err != nil {
		t.Fatal(err)
	}
	trial, err = Open(t.Context(), dir, reordered, set)
	if err != nil {
		t.Fatalf("the same config as a map: %v", err)
	}
	trial.Close(nil)
}

// TestOtherEnvironment: the manifest keeps where a run began and where it went on; of flags it leaves out paths.
func TestOtherEnvironment(t *testing.T) {
	dir := t.TempDir()
	for _, flags := range []string{"", "--xla_gpu_deterministic_ops=true --xla_dump_to=/home/me/dump", "--xla_gpu_deterministic_ops=true --xla_dump_to=/home/me/dump", ""} {
		t.Setenv("XLA_FLAGS", flags)
		trial, err := Open(t.Context(), dir, base{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		trial.Close(nil)
	}
	m, err := ReadManifest(dir)
	if err != nil || m.XLAFlags != "" || len(m.Resumed) != 2 || m.Resumed[0].XLAFlags != "--xla_gpu_deterministic_ops=true --xla_dump_to=dump" || m.Resumed[1].XLAFlags != "" {
		t.Errorf("manifest %+v, %v", m, err)
	}
}

// TestReadOnly is row 22 of the list of faults: a folder that cannot be made or written to fails at the opening.
func TestReadOnly(t *testing.T) {
	top := t.TempDir()
	file := filepath.Join(top, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if _, err := Open(t.Context(), filepath.Join(file, "trial"), base{}, Options{}); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("below a file: %v", err)
	}
	bad := filepath.Join(top, "readonly")
	if os.Getuid() == 0 { // whom permissions do not stop
		bad = readOnlyMount(t)
	} else if err := os.Mkdir(bad, 0o500); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{bad, filepath.Join(bad, "trial")} {
		if _, err := Open(t.Context(), dir, base{}, Options{}); err == nil || !strings.Contains(err.Error(), bad) || ExitCode(err) != ExitPermanent {
			t.Errorf("read-only: %v", err)
		}
	}
}

// readOnlyMount is a folder that root cannot write to either.
func readOnlyMount(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	mount(t, dir, syscall.MS_RDONLY, "")
	return dir
}

// mount puts a file system in memory at dir, or skips the test.
func mount(t *testing.T, dir string, flags uintptr, options string) {
	t.Helper()
	if err := syscall.Mount("tmpfs", dir, "tmpfs", flags, options); err != nil {
		t.Skipf("no file system of its own: %v", err)
	}
	t.Cleanup(func() { // detached, because GoMLX leaves a file open whose writing failed
		if err := syscall.Unmount(dir, syscall.MNT_DETACH); err != nil {
			t.Error(err)
		}
	})
}

// TestDeadRun: the run of a process that was killed reads as interrupted at once, and the next opening goes on with it
// and clears away what the process had half written.
func TestDeadRun(t *testing.T) {
	if role() == "victim" {
		trial, err := Open(t.Context(), os.Getenv("DIR"), base{}, Options{})
		if err != nil {
			t.Fatal(err)
		}
		logged(t, trial, Point{1, nil})
		for _, prefix := range written {
			if err := os.WriteFile(filepath.Join(trial.Dir, prefix+"123"), []byte("half"), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {}
	}
	dir := t.TempDir()
	c := child(t, "victim", "DIR="+dir)
	if out, err := c.CombinedOutput(); err == nil {
		t.Fatalf("the victim lives: %s", out)
	}
	s, err := ReadStatus(dir)
	if err != nil || s.State != Interrupted || !s.Retry || s.PID != c.Process.Pid || s.Attempts != 1 {
		t.Errorf("killed: %+v, %v", s, err)
	}
	trial, err := Open(t.Context(), dir, base{}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if s, err := ReadStatus(dir); err != nil || s.State != Running || s.Attempts != 2 {
		t.Errorf("opened again: %+v, %v", s, err)
	}
	trial.Close(nil)
	if names := visible(t, dir); len(names) != 5 {
		t.Errorf("left %v", names)
	}
	if points, torn, err := ReadMetrics(filepath.Join(dir, metricsFile)); err != nil || torn != 0 || len(points) != 1 {
		t.Errorf("metrics %v, %d torn, %v", points, torn, err)
	}
}

// TestTaken: a process that has lost its run to another writes no status over the other's.
func TestTaken(t *testing.T) {
	dir := t.TempDir()
	trial := open(t, dir)
	forge(t, dir, thisHolder(), 0)
	if err := trial.Held(); !errors.Is(err, ErrRunning) {
		t.Errorf("got %v", err)
	}
	if err := trial.Close(nil); !errors.Is(err, ErrRunning) {
		t.Errorf("closed with %v", err)
	}
	if s, err := ReadStatus(dir); err != nil || s.State != Running {
		t.Errorf("status %+v, %v", s, err)
	}
}

// TestStatusWhileEnding: readers of a run that begins and ends all the time never see it dead, missing or torn.
func TestStatusWhileEnding(t *testing.T) {
	dir := t.TempDir()
	open(t, dir).Close(nil)
	stop := make(chan struct{})
	var readers sync.WaitGroup
	for range 3 {
		readers.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
				}
				if s, err := ReadStatus(dir); err != nil || s.State != Running && s.State != Done {
					t.Errorf("read %+v, %v", s, err)
					return
				}
			}
		})
	}
	for range 30 {
		trial, err := Open(t.Context(), dir, base{Steps: 3}, Options{Seeds: []int64{1}})
		if err != nil {
			t.Error(err)
			break
		}
		trial.Close(nil)
	}
	close(stop)
	readers.Wait()
}

// FuzzReadStatus: any file is refused or is a status that survives being written and read.
func FuzzReadStatus(f *testing.F) {
	for _, text := range []string{"", "{}", `{"state":"done","attempts":1}`, `{"state":"running","attempts":-1}`, `{"state":"Done","attempts":1,"seconds":-1}`, `{"state":"failed","error":"\ud800","attempts":2,"started":"2026-11-22T12:25:07Z","pid":1e400}`, `{"state":"done","attempts":1`, "null", "[]"} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		s, err := decodeStatus(text)
		if err != nil {
			return
		}
		blob, err := json.Marshal(s)
		if err != nil {
			t.Fatal(err)
		}
		again, err := decodeStatus(blob)
		if err != nil || again.State != s.State || again.Error != s.Error || again.Attempts != s.Attempts || !again.Started.Equal(s.Started) {
			t.Fatalf("%q is %+v, written and read %+v, %v", text, s, again, err)
		}
	})
}
