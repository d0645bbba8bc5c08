package run

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
)

// TestMust runs itself in a child process, which must end with the error alone.
func TestMust(t *testing.T) {
	if os.Getenv("SCORESDE_TEST_MUST") != "" {
		Must(0, errors.New("the cause"))
		return
	}
	if got := Must(7, nil); got != 7 {
		t.Errorf("got %d, want 7", got)
	}
	if a, b := Must2("a", 2, nil); a != "a" || b != 2 {
		t.Errorf("got %s, %d", a, b)
	}
	child := exec.Command(os.Args[0], "-test.run=^TestMust$")
	child.Env = append(os.Environ(), "SCORESDE_TEST_MUST=1")
	out, err := child.CombinedOutput()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.ExitCode() != 1 {
		t.Errorf("the child ended with %v, want exit code 1", err)
	}
	if strings.TrimSpace(string(out)) != "the cause" {
		t.Errorf("the child wrote %q, want the error alone", out)
	}
}
