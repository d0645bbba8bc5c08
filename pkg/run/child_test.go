package run

import (
	"os"
	"os/exec"
	"testing"
)

// childKey tells a test that it is the child that it has started, and what for.
const childKey = "SCORESDE_TEST_CHILD"

// role is what this process was started for by child; empty in the test itself.
func role() string { return os.Getenv(childKey) }

// child is this test in a process of its own, in a role.
func child(t *testing.T, role string, env ...string) *exec.Cmd {
	t.Helper()
	c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^"+t.Name()+"$", "-test.count=1")
	c.Env = append(append(os.Environ(), childKey+"="+role), env...)
	return c
}
