package main

import (
	"encoding/csv"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/scoresde/scoresde/pkg/run"
	"github.com/scoresde/scoresde/pkg/sweep"
)

// slurmSweep is 20 trials in 5 chunks, each of which trains one network, for seconds on the Go engine, and samples it in
// four ways.
const slurmSweep = `
[base]
data = 2000
width = 16
depth = 2
steps = 3000
batch = 64
samples = 1000
[axes]
seed = [1, 2, 3, 4, 5]
predictor = ["reverse-diffusion", "ddim"]
n = [5, 10]
`

// TestSlurm submits a sweep to the Slurm that .ci/slurm.sh has started, kills the program of one task, and sends another the
// signal that announces the end of its time. Both tasks go back into the queue, all trials are done, none of them twice,
// and the table is that of a run without Slurm, to the last digit.
func TestSlurm(t *testing.T) {
	if os.Getenv("SCORESDE_SLURM") != "running" {
		t.Skip("no Slurm: .ci/slurm.sh starts one and runs this test")
	}
	t.Setenv("SCORESDE_BACKEND", "go")
	work := t.TempDir()
	file := filepath.Join(work, "array.toml")
	if err := os.WriteFile(file, []byte(slurmSweep), 0o644); err != nil {
		t.Fatal(err)
	}
	program := output(t, "sh", "-c", "command -v scoresde")
	t.Setenv("SCORESDE_RESULTS", filepath.Join(work, "slurm"))
	script := filepath.Join(work, "array.sh")
	text := output(t, "scoresde", "sweep", "slurm", file, "--tasks", "5", "--time", "10", "--program", program)
	if err := os.WriteFile(script, []byte(text+"\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	dir := filepath.Join(work, "slurm/runs/sweeps/array")
	plan, err := sweep.ReadPlan(dir)
	if err != nil || len(plan.Trials) != 20 {
		t.Fatalf("%d trials, %v", len(plan.Trials), err)
	}
	job := output(t, "sbatch", "--parsable", "--chdir="+work, script)
	t.Cleanup(func() { exec.Command("scancel", job).Run() })

	const killed, warned = 1, 2 // tasks
	state := func(task int) run.Status {
		s, _ := run.ReadStatus(filepath.Join(dir, plan.Trials[4*task].ID))
		return s
	}
	waitFor(t, time.Minute, func() bool { return state(killed).State == run.Running })
	if err := syscall.Kill(state(killed).PID, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	waitFor(t, time.Minute, func() bool { return state(warned).State == run.Running })
	waitFor(t, time.Minute, func() bool { return output(t, "squeue", "--noheader", "--format=%T", "--jobs="+job+"_2") == "RUNNING" })
	// scancel goes on trying for a while when the task ends under its hands, which it is to do.
	signal := exec.Command("timeout", "1", "scancel", "--batch", "--signal=USR1", job+"_2")
	said, _ := signal.CombinedOutput()
	t.Logf("scancel: %s", said)
	waitFor(t, time.Minute, func() bool { return state(warned).State == run.Interrupted })
	if s := state(warned); !strings.Contains(s.Error, "signal") {
		t.Errorf("the warned task ended with %q, want a signal as the reason", s.Error)
	}
	waitFor(t, 4*time.Minute, func() bool { return output(t, "squeue", "--noheader", "--jobs="+job) == "" })

	table, err := sweep.Collect(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range table.Rows {
		want := 1
		if i == 4*killed || i == 4*warned { // the trials that were stopped in their first attempt
			want = 2
		}
		if r.State != run.Done || r.Attempts != want {
			t.Errorf("trial %d is %s after %d attempts, want done after %d", i, r.State, r.Attempts, want)
		}
	}
	logs, _ := filepath.Glob(filepath.Join(work, "slurm-*.out"))
	for _, path := range logs {
		log, _ := os.ReadFile(path)
		requeued := strings.Contains(string(log), "back into the queue")
		if want := strings.HasSuffix(path, "_1.out") || strings.HasSuffix(path, "_2.out"); requeued != want || len(logs) != 5 {
			t.Errorf("requeued: %t, want %t; %s of %d:\n%s", requeued, want, filepath.Base(path), len(logs), log)
		}
	}

	there := collected(t, file)
	t.Setenv("SCORESDE_RESULTS", filepath.Join(work, "local"))
	output(t, "scoresde", "sweep", "run", file, "--parallel", "2")
	if here := collected(t, file); here != there {
		t.Errorf("on Slurm\n%s\nhere\n%s", there, here)
	}
}

// output runs a command, which must succeed, and returns what it prints without space around it.
func output(t *testing.T, name string, args ...string) string {
	t.Helper()
	c := exec.Command(name, args...)
	var errs strings.Builder
	c.Stderr = &errs
	out, err := c.Output()
	if err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, errs.String())
	}
	return strings.TrimSpace(string(out))
}

// collected is the table of a sweep, numbers in full, without the times that the trials took.
func collected(t *testing.T, file string) string {
	t.Helper()
	lines, err := csv.NewReader(strings.NewReader(output(t, "scoresde", "sweep", "collect", file, "--csv"))).ReadAll()
	if err != nil || len(lines) != 21 {
		t.Fatalf("%d lines, %v", len(lines), err)
	}
	seconds := slices.Index(lines[0], "seconds")
	if seconds < 0 || !slices.Contains(lines[0], "energy") {
		t.Fatalf("columns %q", lines[0])
	}
	var b strings.Builder
	for _, l := range lines {
		b.WriteString(strings.Join(slices.Delete(l, seconds, seconds+1), ",") + "\n")
	}
	return b.String()
}
