package main

import (
	_ "embed"
	"fmt"
	"io"
	"os"
	"regexp"
	"strings"
	"text/template"

	"github.com/scoresde/scoresde/pkg/run"
)

// defaultMaxArray is Slurm's MaxArraySize where a site has not changed it: indices must lie below.
const defaultMaxArray = 1001

// slurmJob fills the template of the script.
type slurmJob struct {
	Name, Dir, Results, Program string
	Trials, Tasks, AtOnce       int
	Grace                       int      // seconds between the signal and the end
	Options                     []string // lines of sbatch
}

//go:embed slurm.sh.tmpl
var slurmScript string

func sweepSlurm(args []string, stdout, stderr io.Writer) int {
	flags := sweepFlags("slurm", stderr)
	job := slurmJob{}
	flags.IntVar(&job.Tasks, "tasks", 0, "tasks of the array, each of which does a chunk of the trials (as many as trials, below -max-array)")
	flags.IntVar(&job.AtOnce, "at-once", 0, "tasks that run at the same time (no limit)")
	flags.IntVar(&job.Grace, "grace", 90, "seconds before the time limit at which the program is told to save itself")
	maxArray := flags.Int("max-array", defaultMaxArray, "the cluster's MaxArraySize: `scontrol show config` tells it")
	flags.StringVar(&job.Program, "program", "", "the program on the cluster (this one)")
	options := []*string{}
	names := []string{"time", "mem", "cpus-per-task", "gres", "partition", "account", "qos"}
	for _, name := range names {
		options = append(options, flags.String(name, "", "passed on to sbatch"))
	}
	target, status, done := parseSweep(flags, args, stderr)
	if done {
		return status
	}
	for k, name := range names {
		if v := *options[k]; v != "" {
			if !plainOption.MatchString(v) {
				fmt.Fprintf(stderr, "%s: -%s %q, want a plain word\n", flags.Name(), name, v)
				return exitUsage
			}
			job.Options = append(job.Options, "--"+name+"="+v)
		}
	}
	p, dir, err := freeze(target, stderr)
	if err != nil {
		return sweepFailure(stderr, err)
	}
	job.Name, job.Dir, job.Results, job.Trials = p.Name, dir, run.Results(), len(p.Trials)
	if err := job.complete(*maxArray); err != nil {
		return sweepFailure(stderr, err)
	}
	if err := printTemplate(stdout, slurmScript, shellQuote, job); err != nil {
		return sweepFailure(stderr, err)
	}
	return exitOK
}

// plainOption is a value that needs no quotes in a line of a script.
var plainOption = regexp.MustCompile(`^[A-Za-z0-9_.,:/@%+=-]+$`)

func (j *slurmJob) complete(maxArray int) (err error) {
	if j.Tasks == 0 {
		j.Tasks = min(j.Trials, maxArray-1)
	}
	switch {
	case j.Tasks < 1 || j.Tasks > j.Trials:
		return fmt.Errorf("sweep: --tasks %d, want 1 to %d, the number of trials", j.Tasks, j.Trials)
	case j.Tasks >= maxArray:
		return fmt.Errorf("sweep: --tasks %d, but array indices lie below MaxArraySize - 1 = %d: give each task more trials", j.Tasks, maxArray-1)
	case j.AtOnce < 0 || j.Grace < 1:
		return fmt.Errorf("sweep: --at-once %d and --grace %d, want >= 0 and >= 1", j.AtOnce, j.Grace)
	}
	if j.Program == "" {
		j.Program, err = os.Executable()
	}
	return err
}

// Array is the value of --array.
func (j slurmJob) Array() string {
	s := fmt.Sprintf("0-%d", j.Tasks-1)
	if j.AtOnce > 0 {
		s += fmt.Sprintf("%%%d", j.AtOnce)
	}
	return s
}

// printTemplate fills a template in which quote makes a word of its language of any text.
func printTemplate(w io.Writer, text string, quote func(string) string, data any) error {
	t, err := template.New("").Funcs(template.FuncMap{"quote": quote}).Parse(text)
	if err != nil {
		return err
	}
	return t.Execute(w, data)
}

func shellQuote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }
