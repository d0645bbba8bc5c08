package run

import (
	"errors"
	"fmt"
	"os"
)

// Must returns v, or ends the process with the error on stderr and code 1, or ExitRetry where a signal stopped the work.
// It is for notebook cells and small programs: a cell is a process of its own, and the message alone tells more than a
// stack trace. Packages return errors instead.
func Must[T any](v T, err error) T {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		if errors.As(err, new(Signal)) {
			os.Exit(ExitRetry)
		}
		os.Exit(1)
	}
	return v
}

// Try is Must for a call whose only result of interest is its error.
func Try(err error) { Must(0, err) }

// Must2 is Must for a call with two results.
func Must2[A, B any](a A, b B, err error) (A, B) {
	Try(err)
	return a, b
}
