package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"time"

	"github.com/scoresde/scoresde/pkg/ablation"
	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/run"
	"github.com/scoresde/scoresde/pkg/sweep"
)

// indexVariables hold the index of a task in an array: Slurm's and Kubernetes'.
var indexVariables = []string{"SLURM_ARRAY_TASK_ID", "JOB_COMPLETION_INDEX"}

// arrayPatience is longer than a lock without a sign of life lives: a task that is begun again after its machine died must
// not take its own former self for somebody at work.
const arrayPatience = 30 * time.Second

// chosen says which part of a plan a process does.
type chosen struct {
	index   string // empty: all
	fromEnv bool
	of      int // chunks of the plan; 0: as many as trials
}

func sweepRun(args []string, stdout, stderr io.Writer) int {
	flags := sweepFlags("run", stderr)
	var part chosen
	flags.StringVar(&part.index, "index", "", "do one trial, or with -of one chunk: 0, 1, ... (all trials)")
	flags.BoolVar(&part.fromEnv, "index-from-env", false, "the index is in SLURM_ARRAY_TASK_ID or JOB_COMPLETION_INDEX")
	flags.IntVar(&part.of, "of", 0, "number of chunks of the plan (one per trial)")
	errored := flags.String("errored", string(sweep.Keep), "what to do with trials that failed before: keep, resume, restart")
	keepGoing := flags.Bool("keep-going", false, "failed trials are no error")
	parallel := flags.Int("parallel", 1, "trials at a time")
	target, status, done := parseSweep(flags, args, stderr)
	if done {
		return status
	}
	set := sweep.Settings{
		Errored: sweep.Errored(*errored), KeepGoing: *keepGoing, Parallel: *parallel, Show: progressLines(stderr),
	}
	if err := runSweep(run.Context(), target, part, set, stdout); err != nil {
		return sweepFailure(stderr, err)
	}
	return exitOK
}

func runSweep(ctx context.Context, target string, part chosen, set sweep.Settings, stdout io.Writer) error {
	p, dir, err := planOf(target)
	if err != nil {
		return err
	}
	set.Dir = filepath.Dir(dir)
	if set.Trials, err = part.trials(len(p.Trials), os.Getenv); err != nil {
		return err
	}
	if set.Trials != nil {
		set.Patience = arrayPatience
	}
	b, err := backend.Open()
	if err != nil {
		return run.Permanent(err)
	}
	set.Manifest.Backend = backend.Describe().Name
	table, err := sweep.Run(ctx, p, ablation.NewLab(b, "").Trial, set)
	if err == nil && set.Trials == nil {
		fmt.Fprint(stdout, table.Markdown())
	}
	return err
}

// trials are the indices of a part of a plan of n trials; nil for all of it. Chunks are of equal size but for one.
func (c chosen) trials(n int, getenv func(string) string) ([]int, error) {
	text, from := c.index, "--index"
	if c.fromEnv {
		if text != "" {
			return nil, errors.New("sweep: got --index and --index-from-env, want one of them")
		}
		for _, name := range indexVariables {
			if text == "" {
				text, from = getenv(name), name
			}
		}
		if text == "" {
			return nil, fmt.Errorf("sweep: --index-from-env, but neither %s nor %s is set: this is no task of an array", indexVariables[0], indexVariables[1])
		}
	}
	if text == "" {
		if c.of != 0 {
			return nil, errors.New("sweep: --of without an index, want --index or --index-from-env too")
		}
		return nil, nil
	}
	chunks := c.of
	if chunks == 0 {
		chunks = n
	}
	if chunks < 1 || chunks > n {
		return nil, fmt.Errorf("sweep: --of %d, want 1 to %d, the number of trials", chunks, n)
	}
	i, err := strconv.Atoi(text)
	if err != nil || i < 0 || i >= chunks {
		return nil, fmt.Errorf("sweep: %s = %q, want an index from 0 to %d", from, text, chunks-1)
	}
	var trials []int
	for k := i * n / chunks; k < (i+1)*n/chunks; k++ {
		trials = append(trials, k)
	}
	return trials, nil
}

// progressLines writes a line when a trial ends, at most one per second, and a last one.
func progressLines(w io.Writer) func(sweep.Progress) {
	var last sweep.Progress
	var at time.Time
	return func(p sweep.Progress) {
		changed := p.Done != last.Done || p.Failed != last.Failed || p.Interrupted != last.Interrupted
		if !p.Ended && (!changed || time.Since(at) < time.Second) {
			return
		}
		last, at = p, time.Now()
		fmt.Fprintln(w, p)
	}
}
