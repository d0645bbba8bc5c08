package run

import (
	"context"
	"os"
	"os/signal"
	"syscall"
)

// Signal is the error of work that a signal stopped.
type Signal struct{ os.Signal }

func (s Signal) Error() string { return "stopped by a signal: " + s.String() }

// Unwrap is context.Canceled, which is what a signal makes of a context.
func (s Signal) Unwrap() error { return context.Canceled }

// Context ends when the process is told to stop (Ctrl-C, the notebook's stop button, SIGTERM, or SIGUSR1, by which batch
// systems announce the end), which gives the work time to save itself. Its cause is a Signal. A second SIGINT or SIGTERM
// ends the process; a second SIGUSR1, only an announcement, is ignored.
func Context() context.Context {
	ctx, cancel := context.WithCancelCause(context.Background())
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM, syscall.SIGUSR1)
	go func() {
		s := <-signals
		signal.Stop(signals)
		cancel(Signal{s})
	}()
	return ctx
}
