package run

import (
	"context"
	"errors"
	"slices"
	"syscall"
)

// Exit codes of programs that do a run, which schedulers understand.
const (
	ExitDone      = 0
	ExitPermanent = 42 // trying again would fail again
	ExitRetry     = 75 // sysexits.h's EX_TEMPFAIL: interrupted, or for want of something that may come back
)

// ExitCode is the code for a program whose work returned err. Signals and ended contexts, a run at work elsewhere, a full
// disk, a quota and errors of a device may pass; anything else is permanent.
func ExitCode(err error) int {
	switch {
	case err == nil:
		return ExitDone
	case errors.As(err, new(permanent)):
		return ExitPermanent
	case retryable(err):
		return ExitRetry
	}
	return ExitPermanent
}

// Permanent marks an error as one that ExitCode takes for permanent, whatever it wraps. Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanent{err}
}

type permanent struct{ error }

func (p permanent) Unwrap() error { return p.error }

// passing are the failures of a system that may be over at the next attempt.
var passing = []syscall.Errno{
	syscall.ENOSPC, syscall.EDQUOT, syscall.EFBIG, syscall.EIO, syscall.ESTALE, syscall.ETIMEDOUT,
	syscall.ENOMEM, syscall.EMFILE, syscall.ENFILE, syscall.EAGAIN, syscall.EINTR,
}

func retryable(err error) bool {
	var errno syscall.Errno
	return interrupted(err) || errors.Is(err, ErrRunning) || errors.As(err, &errno) && slices.Contains(passing, errno)
}

// interrupted says that somebody stopped the work.
func interrupted(err error) bool {
	return errors.As(err, new(Signal)) || errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded)
}
