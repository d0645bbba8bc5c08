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
	"github.com/scoresde/scoresde/pkg/sde"
	"github.com/scoresde/scoresde/pkg/train"
)

const (
	ensembleBatch = 64
	ensembleSteps = 500
)

// configurations are n members of an ensemble of the 3x128 network, with learning rates, sigma_max and seeds of their own.
// Another first seed gives other members.
func configurations(n int, seed int64) []train.Config {
	cfgs := make([]train.Config, n)
	for m := range cfgs {
		part := float64(m) / float64(n)
		c := train.Default("bench", sde.VE{SigmaMin: 0.01, SigmaMax: 2 + 8*part}, nets.MLP{Width: 128, Depth: 3})
		c.Steps, c.Batch, c.WarmUp, c.LearningRate, c.Seed = ensembleSteps, ensembleBatch, ensembleSteps/10, 5e-4*(1+3*part), seed+int64(m)
		cfgs[m] = c
	}
	return cfgs
}

// memberVariable in the environment makes this program train that member of configurations(n, 1), or all of them, and end:
// "k n dir" with k = -1 for all. It is looked at before the arguments, which are a test's where a test measures.
const memberVariable = "SCORESDE_BENCH_MEMBER"

func init() {
	order, found := os.LookupEnv(memberVariable)
	if !found {
		return
	}
	if err := trainMember(order); err != nil {
		fmt.Fprintln(os.Stderr, "scoresde:", err)
		os.Exit(exitFailure)
	}
	os.Exit(exitOK)
}

// trainMember does what memberVariable asks for, and refuses to have compiled more than once.
func trainMember(order string) error {
	var k, n int
	var dir string
	if _, err := fmt.Sscanf(order, "%d %d %s", &k, &n, &dir); err != nil || k >= n {
		return fmt.Errorf("%s = %q, want a member, a number of members and a folder", memberVariable, order)
	}
	cfgs, data := configurations(n, 1), normals(1000)
	if k >= 0 {
		_, err := train.Fit(context.Background(), cfgs[k], data, train.Settings{Dir: dir})
		return err
	}
	t := train.NewTrainer(nil)
	e, err := t.Fit(context.Background(), cfgs, data, train.Settings{Dir: dir})
	if err != nil {
		return err
	}
	for _, err := range e.Failed {
		if err != nil {
			return err
		}
	}
	if t.Builds() != 1 {
		return fmt.Errorf("%d compilations, want 1", t.Builds())
	}
	return nil
}

// ensembleVersusProcesses compares one process that trains all members in one executable with a process for each of them,
// one after the other, from the start of the first to the end of the last. Where little is to be measured, only some of the
// processes run, and stand for the rest.
func ensembleVersusProcesses(members int) func(*lab) (benchmark, error) {
	return inFolder(func(l *lab, dir string) (benchmark, error) {
		if !backend.OnDevice(l.backend) {
			return benchmark{}, errNotOnDevice
		}
		processes := members
		if l.repeats < 5 {
			processes = min(8, members)
		}
		separate := 0.0
		for k := range processes {
			took, err := runMember(k, members, dir)
			if err != nil {
				return benchmark{}, err
			}
			separate += took.Seconds() * float64(members) / float64(processes)
		}
		together, err := runMember(-1, members, filepath.Join(dir, "all"))
		if err != nil {
			return benchmark{}, err
		}
		return benchmark{
			Name: fmt.Sprintf("ensemble_%d", members), Value: together.Seconds(), Unit: "s", Ratio: separate / together.Seconds(),
			Of: fmt.Sprintf("%d processes", members), detail: fmt.Sprintf("%d processes run, %.3g s for all", processes, separate),
		}, nil
	})
}

// runMember trains in a process of its own.
func runMember(k, n int, dir string) (time.Duration, error) {
	program, err := os.Executable()
	if err != nil {
		return 0, err
	}
	c := exec.Command(program)
	c.Env = append(os.Environ(), memberVariable+"="+strconv.Itoa(k)+" "+strconv.Itoa(n)+" "+dir)
	var output bytes.Buffer
	c.Stdout, c.Stderr = &output, &output
	start := time.Now()
	if err := c.Run(); err != nil {
		return 0, fmt.Errorf("member %d of %d: %w: %s", k, n, err, output.String())
	}
	return time.Since(start), nil
}
