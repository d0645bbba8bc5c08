// Command scoresde checks and measures an installation of the laboratory.
//
//	scoresde doctor   says what is installed, how fast it is, and how to get what is missing
//	scoresde bench    measures speed against the backend's own limits, into results/bench/bench.json
//	scoresde sweep    plans and runs many configurations, here or as the tasks of a cluster, and collects what they found
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
)

// command runs with its arguments and returns the exit status.
type command struct {
	name, summary string
	run           func(args []string, stdout, stderr io.Writer) int
}

var commands = []command{
	{"doctor", "say what is installed, how fast it is, and how to get what is missing", doctor},
	{"bench", "measure speed against the backend's own limits, into results/bench/bench.json", bench},
	{"sweep", "plan and run many configurations, here or on a cluster, and collect what they found", sweepMain},
}

// Exit statuses.
const (
	exitOK      = 0
	exitFailure = 1 // the command ran and found or met a failure
	exitUsage   = 2 // the command line makes no sense
)

func main() { os.Exit(dispatch(os.Args[1:], os.Stdout, os.Stderr)) }

func dispatch(args []string, stdout, stderr io.Writer) int {
	if len(args) == 0 {
		usage(stderr)
		return exitUsage
	}
	switch args[0] {
	case "help", "-h", "-help", "--help":
		usage(stdout)
		return exitOK
	}
	for _, c := range commands {
		if c.name == args[0] {
			return c.run(args[1:], stdout, stderr)
		}
	}
	fmt.Fprintf(stderr, "scoresde: unknown command %q\n\n", args[0])
	usage(stderr)
	return exitUsage
}

func usage(w io.Writer) {
	fmt.Fprintln(w, "usage: scoresde <command>")
	for _, c := range commands {
		fmt.Fprintf(w, "  %-8s %s\n", c.name, c.summary)
	}
}

// noArguments parses the arguments of a command that takes none. done says that the command ends there, with status.
func noArguments(name, summary string, args []string, stderr io.Writer) (status int, done bool) {
	flags := flag.NewFlagSet(name, flag.ContinueOnError)
	flags.SetOutput(stderr)
	flags.Usage = func() { fmt.Fprintf(flags.Output(), "usage: scoresde %s\n%s\n", name, summary) }
	switch err := flags.Parse(args); {
	case errors.Is(err, flag.ErrHelp):
		return exitOK, true
	case err != nil:
		return exitUsage, true
	case flags.NArg() > 0:
		fmt.Fprintf(stderr, "scoresde %s: unexpected argument %q\n", name, flags.Arg(0))
		flags.Usage()
		return exitUsage, true
	}
	return exitOK, false
}
