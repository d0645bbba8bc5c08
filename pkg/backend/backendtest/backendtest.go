// Package backendtest gives tests the backends on which everything must hold.
package backendtest

import (
	"testing"

	"github.com/gomlx/compute"

	"github.com/scoresde/scoresde/pkg/backend"
)

// All returns the Go engine under "go" and, where the default backend is XLA, that one under "xla".
func All(t testing.TB) map[string]compute.Backend {
	t.Helper()
	all := map[string]compute.Backend{"go": backend.Go()}
	b, err := backend.Open()
	if err != nil {
		t.Fatal(err)
	}
	if backend.OnDevice(b) {
		all["xla"] = b
	}
	return all
}
