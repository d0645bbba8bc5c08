package main

import (
	"bytes"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// generated is what a command prints about 20 trials, with the folder of results named /scratch/results.
func generated(t *testing.T, command string, args ...string) string {
	t.Helper()
	results := t.TempDir()
	t.Setenv("SCORESDE_RESULTS", results)
	file := filepath.Join(t.TempDir(), "example.toml")
	if err := os.WriteFile(file, []byte("seeds = 5\n[axes]\nsigma_max = [1, 2, 4, 8]\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	var out, errs bytes.Buffer
	if code := sweepMain(append([]string{command, file}, args...), &out, &errs); code != 0 {
		t.Fatalf("%s %q: code %d, %s", command, args, code, errs.String())
	}
	return strings.ReplaceAll(out.String(), results, "/scratch/results")
}

// TestGolden (faults.md, row 32): what is printed for schedulers does not change unseen. With SCORESDE_GOLDEN=write the
// files are written anew.
func TestGolden(t *testing.T) {
	for file, args := range map[string][]string{
		"slurm.sh":      {"slurm", "--program", "/opt/scoresde/bin/scoresde"},
		"slurm_full.sh": {"slurm", "--program", "/opt/it's here/scoresde", "--tasks", "5", "--at-once", "2", "--time", "1-12:00:00", "--mem", "4G", "--cpus-per-task", "2", "--partition", "short,long", "--gres", "gpu:1", "--account", "a_1", "--qos", "q", "--grace", "120"},
		"job.yaml":      {"k8s", "--image", "registry.example.org/scoresde:1.0", "--claim", "results"},
		"job_full.yaml": {"k8s", "--image", "registry.example.org/scoresde:1.0", "--claim", "results", "--tasks", "5", "--at-once", "2", "--cpu", "2", "--memory", "4Gi", "--retries", "3", "--grace", "60", "--mount", "/data"},
	} {
		got := generated(t, args[0], args[1:]...)
		path := filepath.Join("testdata", "golden", file)
		if os.Getenv("SCORESDE_GOLDEN") == "write" {
			if err := os.WriteFile(path, []byte(got), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s is now\n%s", path, got)
		}
	}
}

// TestJobScript runs the script with stand-ins for the program and for scontrol: what goes back into the queue, and what
// the program is told.
func TestJobScript(t *testing.T) {
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("the script is for bash, which is not here")
	}
	dir := t.TempDir()
	write := func(name, text string) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o755); err != nil {
			t.Fatal(err)
		}
		return path
	}
	write("scontrol", `echo "$@" >> `+shellQuote(filepath.Join(dir, "requeued")))
	for _, c := range []struct {
		name, program string
		restarts      string
		signal        syscall.Signal
		code          int
		requeued      bool
	}{
		{"done", "exit 0", "", 0, 0, false},
		{"failed", "exit 42", "", 0, 42, false},
		{"retry", "exit 75", "7", 0, 75, true},
		{"usage", "exit 2", "", 0, 2, false},
		{"killed", "kill -9 $$", "", 0, 137, true},
		{"killed often", "kill -9 $$", "3", 0, 137, false},
		{"time is up", "trap 'sleep 0.2; exit 75' USR1; touch ready; while :; do sleep 0.05; done", "", syscall.SIGUSR1, 75, true},
		{"time is up, but done", "trap 'sleep 0.2; exit 0' USR1; touch ready; while :; do sleep 0.05; done", "", syscall.SIGUSR1, 0, false},
		{"pre-empted", "trap 'sleep 0.2; exit 75' TERM; touch ready; while :; do sleep 0.05; done", "", syscall.SIGTERM, 75, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			os.Remove(filepath.Join(dir, "requeued"))
			os.Remove(filepath.Join(dir, "ready"))
			program := write("program", `echo "$@" > arguments`+"\n"+c.program)
			script := write("script", generated(t, "slurm", "--program", program, "--tasks", "5"))
			job := exec.Command(bash, script)
			job.Dir = dir
			job.Env = append(os.Environ(), "PATH="+dir+":"+os.Getenv("PATH"), "SLURM_ARRAY_JOB_ID=12", "SLURM_ARRAY_TASK_ID=3", "SLURM_RESTART_COUNT="+c.restarts)
			if err := job.Start(); err != nil {
				t.Fatal(err)
			}
			if c.signal != 0 {
				waitFor(t, 20*time.Second, func() bool { _, err := os.Stat(filepath.Join(dir, "ready")); return err == nil })
				job.Process.Signal(c.signal)
			}
			err := job.Wait()
			var exit *exec.ExitError
			if code := job.ProcessState.ExitCode(); code != c.code || err != nil && !errors.As(err, &exit) {
				t.Errorf("code %d, want %d (%v)", code, c.code, err)
			}
			requeued, _ := os.ReadFile(filepath.Join(dir, "requeued"))
			if want := map[bool]string{true: "requeue 12_3\n"}[c.requeued]; string(requeued) != want {
				t.Errorf("scontrol was called with %q, want %q", requeued, want)
			}
			arguments, _ := os.ReadFile(filepath.Join(dir, "arguments"))
			if want := "sweep run /scratch/results/runs/sweeps/example --index-from-env --of 5\n"; string(arguments) != want {
				t.Errorf("the program was called with %q, want %q", arguments, want)
			}
		})
	}
}

// waitFor polls until ok, or fails the test.
func waitFor(t *testing.T, limit time.Duration, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(limit); !ok(); time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("nothing came within %s", limit)
		}
	}
}

// TestChunks (faults.md, row 32): chunks cover the plan without overlap, and what is no index is refused.
func TestChunks(t *testing.T) {
	for _, n := range []int{1, 7, 20, 1001} {
		for of := 0; of <= min(n, 30); of++ {
			count := of
			if of == 0 {
				count = n
			}
			next := 0
			for i := range count {
				trials, err := chosen{fromEnv: true, of: of}.trials(n, func(name string) string {
					return map[string]string{"SLURM_ARRAY_TASK_ID": strconv.Itoa(i)}[name]
				})
				if err != nil || len(trials) < n/count || len(trials) > n/count+1 {
					t.Fatalf("%d of %d: %v, %v", i, of, trials, err)
				}
				for _, k := range trials {
					if k != next {
						t.Fatalf("%d of %d: trial %d, want %d", i, of, k, next)
					}
					next++
				}
			}
			if next != n {
				t.Errorf("%d chunks hold %d trials of %d", count, next, n)
			}
		}
	}
	env := func(pairs ...string) func(string) string {
		return func(name string) string {
			for k := 0; k+1 < len(pairs); k += 2 {
				if pairs[k] == name {
					return pairs[k+1]
				}
			}
			return ""
		}
	}
	for want, c := range map[string]struct {
		chosen
		env func(string) string
	}{
		"neither SLURM_ARRAY_TASK_ID nor JOB_COMPLETION_INDEX":   {chosen{fromEnv: true}, env()},
		`SLURM_ARRAY_TASK_ID = "20", want an index from 0 to 19`: {chosen{fromEnv: true}, env("SLURM_ARRAY_TASK_ID", "20")},
		`JOB_COMPLETION_INDEX = "5", want an index from 0 to 4`:  {chosen{fromEnv: true, of: 5}, env("JOB_COMPLETION_INDEX", "5")},
		`--index = "-1"`:        {chosen{index: "-1"}, env()},
		`--index = "3x"`:        {chosen{index: "3x"}, env()},
		"--of 21, want 1 to 20": {chosen{index: "0", of: 21}, env()},
		"--of -1":               {chosen{index: "0", of: -1}, env()},
		"--of without an index": {chosen{of: 3}, env()},
		"want one of them":      {chosen{index: "1", fromEnv: true}, env("SLURM_ARRAY_TASK_ID", "1")},
	} {
		if trials, err := c.trials(20, c.env); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, %v; want an error with %q", trials, err, want)
		}
	}
}
