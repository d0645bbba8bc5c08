package main

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"time"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/train"
)

const (
	turnBatch = 64
	turnSteps = 500
)

// configurations are n trainings of the 3x128 network, with learning rates and seeds of their own. They are of one form.
func configurations(n int) []train.Config {
	cfgs := make([]train.Config, n)
	for k := range cfgs {
		c := train.Default("bench", pcProcess, nets.MLP{Width: 128, Depth: 3})
		c.Steps, c.Batch, c.WarmUp = turnSteps, turnBatch, turnSteps/10
		c.LearningRate, c.Seed = 5e-4*(1+3*float64(k)/float64(n)), int64(1+k)
		cfgs[k] = c
	}
	return cfgs
}

// turnVariable in the environment makes this program do that training of configurations(n), or all of them, and end:
// "k n dir" with k = -1 for all. It is looked at before the arguments, which are a test's where a test measures.
const turnVariable = "SCORESDE_BENCH_TURN"

func init() {
	order, found := os.LookupEnv(turnVariable)
	if !found {
		return
	}
	if err := takeTurns(order); err != nil {
		fmt.Fprintln(os.Stderr, "scoresde:", err)
		os.Exit(exitFailure)
	}
	os.Exit(exitOK)
}

// takeTurns does what turnVariable asks for.
func takeTurns(order string) error {
	var k, n int
	var dir string
	if _, err := fmt.Sscanf(order, "%d %d %s", &k, &n, &dir); err != nil || k >= n {
		return fmt.Errorf("%s = %q, want a training, a number of trainings and a folder", turnVariable, order)
	}
	cfgs := configurations(n)
	if k >= 0 {
		cfgs = cfgs[k : k+1]
	}
	data, set := normals(1000), train.Settings{Dir: dir, Pool: train.NewPool()}
	for _, c := range cfgs {
		if _, err := train.Fit(context.Background(), c, train.Rows(data), set); err != nil {
			return err
		}
	}
	return nil
}

// turnsVersusProcesses compares one process that does n trainings in turn on one executable with a process for each of them,
// one after the other, from the start of the first to the end of the last. Where little is to be measured, only some of the
// processes run, and stand for the rest.
func turnsVersusProcesses(n int) func(*lab) (benchmark, error) {
	return inFolder(func(l *lab, dir string) (benchmark, error) {
		if !backend.OnDevice(l.backend) {
			return benchmark{}, errNotOnDevice
		}
		processes := n
		if l.repeats < 5 {
			processes = min(8, n)
		}
		separate := 0.0
		for k := range processes {
			took, err := runTurns(k, n, dir)
			if err != nil {
				return benchmark{}, err
			}
			separate += took.Seconds() * float64(n) / float64(processes)
		}
		together, err := runTurns(-1, n, filepath.Join(dir, "all"))
		if err != nil {
			return benchmark{}, err
		}
		return benchmark{
			Name: fmt.Sprintf("turns_%d", n), Value: together.Seconds(), Unit: "s", Ratio: separate / together.Seconds(),
			Of: fmt.Sprintf("%d processes", n), detail: fmt.Sprintf("%d processes run, %.3g s for all", processes, separate),
		}, nil
	})
}

// runTurns trains in a process of its own.
func runTurns(k, n int, dir string) (time.Duration, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	c := exec.Command(program)
	c.Env = append(os.Environ(), turnVariable+"="+strconv.Itoa(k)+" "+strconv.Itoa(n)+" "+dir)
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	start := time.Now()
	if err := c.Run(); err != nil {
		return 0, fmt.Errorf("training %d of %d: %w: %s", k, n, err, output.String())
	}
	return time.Since(start), nil
}
