package main

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"io"
	"path"
	"regexp"
	"strings"
)

// k8sJob fills the template of the manifest.
type k8sJob struct {
	Name, Image, Program, Claim, Mount, Dir string
	Sweep                                   string
	Trials, Tasks, AtOnce, Grace, Retries   int
	CPU, Memory                             string
}

//go:embed job.yaml.tmpl
var k8sManifest string

func sweepK8s(args []string, stdout, stderr io.Writer) int {
	flags := sweepFlags("k8s", stderr)
	job := k8sJob{}
	flags.IntVar(&job.Tasks, "tasks", 0, "completions of the job, each of which does a chunk of the trials (as many as trials)")
	flags.IntVar(&job.AtOnce, "at-once", 8, "pods that run at the same time")
	flags.IntVar(&job.Retries, "retries", 6, "attempts of a task after its first")
	flags.IntVar(&job.Grace, "grace", 90, "seconds that a pod has to save itself")
	flags.StringVar(&job.Image, "image", "", "container image that holds the program (needed)")
	flags.StringVar(&job.Program, "program", "scoresde", "the program in the image")
	flags.StringVar(&job.Claim, "claim", "", "persistent volume claim that holds the results, with the frozen plan (needed)")
	flags.StringVar(&job.Mount, "mount", "/results", "where the results are mounted")
	flags.StringVar(&job.CPU, "cpu", "", "request of processors")
	flags.StringVar(&job.Memory, "memory", "", "request and limit of memory")
	target, status, done := parseSweep(flags, args, stderr)
	if done {
		return status
	}
	if job.Image == "" || job.Claim == "" {
		fmt.Fprintf(stderr, "%s: want -image and -claim\n", flags.Name())
		flags.Usage()
		return exitUsage
	}
	p, _, err := freeze(target, stderr)
	if err != nil {
		return sweepFailure(stderr, err)
	}
	job.Sweep, job.Trials, job.Dir = p.Name, len(p.Trials), path.Join(job.Mount, "runs/sweeps", p.Name)
	if err := job.complete(); err != nil {
		return sweepFailure(stderr, err)
	}
	if err := printTemplate(stdout, k8sManifest, yamlQuote, job); err != nil {
		return sweepFailure(stderr, err)
	}
	return exitOK
}

func (j *k8sJob) complete() error {
	if j.Tasks == 0 {
		j.Tasks = j.Trials
	}
	if j.Tasks < 1 || j.Tasks > j.Trials {
		return fmt.Errorf("sweep: --tasks %d, want 1 to %d, the number of trials", j.Tasks, j.Trials)
	}
	if j.AtOnce < 1 || j.Retries < 0 || j.Grace < 1 {
		return fmt.Errorf("sweep: --at-once %d, --retries %d, --grace %d; want >= 1, >= 0 and >= 1", j.AtOnce, j.Retries, j.Grace)
	}
	if !path.IsAbs(j.Mount) {
		return fmt.Errorf("sweep: --mount %q, want an absolute path", j.Mount)
	}
	j.AtOnce = min(j.AtOnce, j.Tasks)
	j.Name = dnsLabel("scoresde-" + j.Sweep)
	return nil
}

var notInLabel = regexp.MustCompile(`[^a-z0-9]+`)

// dnsLabel makes a name that Kubernetes takes for pods (RFC 1123), with room for their index.
func dnsLabel(s string) string {
	s = notInLabel.ReplaceAllString(strings.ToLower(s), "-")
	return strings.Trim(s[:min(len(s), 50)], "-")
}

// yamlQuote makes a YAML string of any text: JSON's are.
func yamlQuote(s string) string {
	text, err := json.Marshal(s)
	if err != nil {
		panic(err) // a string
	}
	return string(text)
}
