package main

import (
	"fmt"
	"io"
	"text/tabwriter"
)

// finding is a line of the doctor's table.
type finding struct {
	state state
	item  string
	value string
	fix   string // what to do about it; empty if nothing
}

// state says how bad a finding is.
type state string

const (
	good    state = "ok"
	note    state = "note"    // notebooks run, but less well than they could
	missing state = "missing" // notebooks do not run
)

// doctor is the command. It exits with 1 if notebooks cannot run.
func doctor(args []string, stdout, stderr io.Writer) int {
	if status, done := noArguments("doctor", "Says what is installed, how fast it is, and how to get what is missing; exits with 1 if notebooks cannot run.", args, stderr); done {
		return status
	}
	findings := examineGo()
	findings = append(findings, examineBackend()...)
	findings = append(findings, examineJupyter()...)
	findings = append(findings, examineResults())
	status := exitOK
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	for _, f := range findings {
		if f.state == missing {
			status = exitFailure
		}
		fmt.Fprintf(table, "%s\t%s\t%s\n", f.state, f.item, f.value)
		if f.fix != "" {
			fmt.Fprintf(table, "\t\t-> %s\n", f.fix)
		}
	}
	if err := table.Flush(); err != nil {
		fmt.Fprintln(stderr, "scoresde doctor:", err)
		return exitFailure
	}
	if status != exitOK {
		fmt.Fprintln(stdout, "\nNotebooks cannot run before what is missing is there.")
	}
	return status
}
