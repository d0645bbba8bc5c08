package run

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"
)

// TestExitCode: what may pass is 75, all else 42.
func TestExitCode(t *testing.T) {
	disk := func(errno syscall.Errno) error {
		return fmt.Errorf("save: %w", &fs.PathError{Op: "write", Path: "x", Err: errno})
	}
	for _, c := range []struct {
		err  error
		want int
	}{
		{nil, 0},
		{errors.New("NaN"), 42},
		{disk(syscall.ENOSPC), 75},
		{disk(syscall.EDQUOT), 75},
		{disk(syscall.EIO), 75},
		{disk(syscall.EFBIG), 75},
		{disk(syscall.EACCES), 42},
		{disk(syscall.EROFS), 42},
		{disk(syscall.ENOENT), 42},
		{fmt.Errorf("x: %w", ErrRunning), 75},
		{Signal{syscall.SIGTERM}, 75},
		{fmt.Errorf("train: %w", Signal{os.Interrupt}), 75},
		{context.Canceled, 75},
		{errors.Join(errors.New("x"), context.DeadlineExceeded), 75},
		{Permanent(disk(syscall.ENOSPC)), 42},
		{fmt.Errorf("trial: %w", Permanent(ErrRunning)), 42},
		{ErrNoCheckpoint, 42},
	} {
		if got := ExitCode(c.err); got != c.want {
			t.Errorf("%v: %d, want %d", c.err, got, c.want)
		}
	}
	if Permanent(nil) != nil {
		t.Error("Permanent(nil) is an error")
	}
	if err := Permanent(ErrRunning); !errors.Is(err, ErrRunning) || err.Error() != ErrRunning.Error() {
		t.Errorf("Permanent hides its error: %v", err)
	}
}

// TestContext is row 21 of the list of faults, for the context: each signal ends it, with a cause that names the signal;
// a second one ends the process; SIGUSR1 may come any number of times.
func TestContext(t *testing.T) {
	switch role() {
	case "":
	case "must": // ends with the code for a cell that was stopped
		ctx := Context()
		fmt.Println("ready")
		<-ctx.Done()
		Must(0, fmt.Errorf("stopped: %w", context.Cause(ctx)))
	default: // deaf: does not stop at the first signal
		ctx := Context()
		fmt.Println("ready")
		<-ctx.Done()
		var s Signal
		if errors.As(context.Cause(ctx), &s) && errors.Is(ctx.Err(), context.Canceled) {
			fmt.Println(s.Signal)
		}
		time.Sleep(time.Minute)
	}
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGUSR1} {
		c, says := signalled(t, "must", s)
		if says(); exitCode(c.Wait()) != ExitRetry {
			t.Errorf("%v: the cell ended with %v, want exit code %d", s, c.ProcessState, ExitRetry)
		}
		c, says = signalled(t, "deaf", s)
		if got := says(); got != s.String() {
			t.Errorf("%v: the cause names %q", s, got)
		}
		second := s
		if s == syscall.SIGUSR1 {
			c.Process.Signal(syscall.SIGUSR1)
			time.Sleep(50 * time.Millisecond)
			second = syscall.SIGTERM // must find it alive
		}
		if err := c.Process.Signal(second); err != nil {
			t.Errorf("%v: %v", s, err)
		}
		c.Wait()
		if status := c.ProcessState.Sys().(syscall.WaitStatus); !status.Signaled() || status.Signal() != second {
			t.Errorf("%v twice: ended with %v", s, c.ProcessState)
		}
	}
}

// signalled starts a child, which gets the signal when it is ready; says returns its next line.
func signalled(t *testing.T, role string, s syscall.Signal) (c *exec.Cmd, says func() string) {
	t.Helper()
	c = child(t, role)
	out, err := c.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Start(); err != nil {
		t.Fatal(err)
	}
	says = func() string {
		var text []byte
		one := make([]byte, 1)
		for {
			if n, err := out.Read(one); n == 0 || err != nil || one[0] == '\n' {
				return string(text)
			}
			text = append(text, one[0])
		}
	}
	if got := says(); got != "ready" {
		t.Fatalf("the child says %q", got)
	}
	c.Process.Signal(s)
	return c, says
}

func exitCode(err error) int {
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		return exit.ExitCode()
	}
	return 0
}
