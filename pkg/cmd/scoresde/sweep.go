package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/scoresde/scoresde/pkg/ablation"
	"github.com/scoresde/scoresde/pkg/run"
	"github.com/scoresde/scoresde/pkg/sweep"
)

// sweepCommands lists what can be done with a sweep. A plan is named by a sweep.toml, which is planned first, or by the
// folder in which one was frozen.
func sweepCommands() []sweepCommand {
	return []sweepCommand{
		{command{"plan", "freeze the trials that a file asks for, and say what changed", sweepPlan}, "FILE.toml"},
		{command{"run", "do the trials that are not done; exit 0: done, 42: failed for good, 75: try again", sweepRun}, "FILE.toml|DIR"},
		{command{"collect", "print the table of results, means over seeds", sweepCollect}, "FILE.toml|DIR"},
		{command{"slurm", "print a job-array script; submit it with sbatch", sweepSlurm}, "FILE.toml|DIR"},
		{command{"k8s", "print the manifest of an indexed Kubernetes job; submit it with kubectl", sweepK8s}, "FILE.toml|DIR"},
	}
}

type sweepCommand struct {
	command
	arguments string
}

// sweepMain is the command.
func sweepMain(args []string, stdout, stderr io.Writer) int {
	if len(args) > 0 {
		for _, c := range sweepCommands() {
			if c.name == args[0] {
				return c.run(args[1:], stdout, stderr)
			}
		}
		if !isHelp(args[0]) {
			fmt.Fprintf(stderr, "scoresde sweep: unknown command %q\n\n", args[0])
			sweepUsage(stderr)
			return exitUsage
		}
		sweepUsage(stdout)
		return exitOK
	}
	sweepUsage(stderr)
	return exitUsage
}

func isHelp(arg string) bool { return strings.TrimLeft(arg, "-") == "help" || arg == "-h" }

func sweepUsage(w io.Writer) {
	fmt.Fprintln(w, "usage: scoresde sweep <command>")
	for _, c := range sweepCommands() {
		fmt.Fprintf(w, "  %-8s %-14s %s\n", c.name, c.arguments, c.summary)
	}
}

// sweepFlags makes the flags of a command.
func sweepFlags(name string, stderr io.Writer) *flag.FlagSet {
	flags := flag.NewFlagSet("scoresde sweep "+name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() {
		for _, c := range sweepCommands() {
			if c.name == name {
				fmt.Fprintf(flags.Output(), "usage: scoresde sweep %s %s [flags]: %s\n", name, c.arguments, c.summary)
			}
		}
		flags.PrintDefaults()
	}
	return flags
}

// parseSweep reads flags before and after the one argument that is none. done says that the command ends there.
func parseSweep(flags *flag.FlagSet, args []string, stderr io.Writer) (target string, status int, done bool) {
	for {
		switch err := flags.Parse(args); {
		case errors.Is(err, flag.ErrHelp):
			return "", exitOK, true
		case err != nil:
			return "", exitUsage, true
		}
		if args = flags.Args(); len(args) == 0 {
			break
		}
		if target != "" {
			fmt.Fprintf(stderr, "%s: unexpected argument %q\n", flags.Name(), args[0])
			flags.Usage()
			return "", exitUsage, true
		}
		target, args = args[0], args[1:]
	}
	if target == "" {
		fmt.Fprintf(stderr, "%s: which sweep?\n", flags.Name())
		flags.Usage()
		return "", exitUsage, true
	}
	return target, exitOK, false
}

// planOf is the plan in a folder, or that of a file, and the folder of the sweep.
func planOf(target string) (p sweep.Plan, dir string, err error) {
	info, err := os.Stat(target)
	if err != nil {
		return p, "", fmt.Errorf("sweep: %w", err)
	}
	if !info.IsDir() {
		if p, err = sweep.ReadFile(target, ablation.Default()); err != nil {
			return p, "", err
		}
		return p, p.Dir(sweep.Settings{}), checkTrials(p)
	}
	if dir, err = filepath.Abs(target); err != nil {
		return p, "", err
	}
	if p, err = sweep.ReadPlan(dir); errors.Is(err, fs.ErrNotExist) {
		return p, "", fmt.Errorf("sweep: no plan is frozen in %s; `scoresde sweep plan FILE.toml` freezes one", target)
	}
	if err == nil && p.Name != filepath.Base(dir) {
		err = fmt.Errorf("sweep: %s holds the plan %q: a sweep's folder has its name", target, p.Name)
	}
	return p, dir, err
}

// checkTrials refuses a plan with a trial that could not be done.
func checkTrials(p sweep.Plan) error {
	for _, t := range p.Trials {
		var c ablation.Config
		if err := run.DecodeConfig([]byte(t.Config), &c); err != nil {
			return fmt.Errorf("sweep: trial %s: %w", t.ID, err)
		}
		if err := c.Validate(); err != nil {
			return fmt.Errorf("sweep: trial %s: %w", t.ID, err)
		}
	}
	return nil
}

// sweepFailure prints an error of a sweep and returns the code that schedulers understand.
func sweepFailure(stderr io.Writer, err error) int {
	fmt.Fprintln(stderr, "scoresde:", err)
	return run.ExitCode(err)
}

func sweepPlan(args []string, stdout, stderr io.Writer) int {
	target, status, done := parseSweep(sweepFlags("plan", stderr), args, stderr)
	if done {
		return status
	}
	_, _, err := freeze(target, stdout)
	if err != nil {
		return sweepFailure(stderr, err)
	}
	return exitOK
}

// freeze freezes the plan of a file, and says what changed; a folder holds a frozen one already.
func freeze(target string, w io.Writer) (p sweep.Plan, dir string, err error) {
	p, dir, err = planOf(target)
	if err != nil {
		return p, dir, err
	}
	changed, err := p.Freeze(dir)
	if err != nil {
		return p, dir, err
	}
	fmt.Fprintf(w, "sweep %s: %d trials over %s in %s: %s\n", p.Name, len(p.Trials), strings.Join(p.Axes, ", "), dir, changed)
	for _, id := range changed.Removed {
		fmt.Fprintf(w, "removed: %s (its folder stays)\n", id)
	}
	return p, dir, nil
}

func sweepCollect(args []string, stdout, stderr io.Writer) int {
	flags := sweepFlags("collect", stderr)
	csv := flags.Bool("csv", false, "one line per trial, numbers in full")
	trials := flags.Bool("trials", false, "one line per trial instead of means")
	metrics := flags.String("metrics", "", "names of metrics to show, with commas (all)")
	target, status, done := parseSweep(flags, args, stderr)
	if done {
		return status
	}
	_, dir, err := planOf(target)
	if err != nil {
		return sweepFailure(stderr, err)
	}
	table, err := sweep.Collect(dir)
	if err == nil && *metrics != "" {
		table, err = table.Only(strings.Split(*metrics, ",")...)
	}
	if err != nil {
		return sweepFailure(stderr, err)
	}
	switch {
	case *csv:
		fmt.Fprint(stdout, table.CSV())
	case *trials:
		fmt.Fprint(stdout, table.Trials())
	default:
		fmt.Fprint(stdout, table.Markdown())
	}
	return exitOK
}
