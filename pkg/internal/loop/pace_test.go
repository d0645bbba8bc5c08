package loop

import (
	"testing"
	"time"
)

// TestNextChunk: the host looks about five times a second and always moves on.
func TestNextChunk(t *testing.T) {
	for _, c := range []struct{ chunk, ms, want int }{{16, 200, 16}, {16, 1, 128}, {16, 400, 8}, {16, 100000, 4}, {1, 100000, 1}, {16, 0, 128}} {
		if got := NextChunk(c.chunk, time.Duration(c.ms)*time.Millisecond); got != c.want {
			t.Errorf("after %d steps in %d ms: a chunk of %d, want %d", c.chunk, c.ms, got, c.want)
		}
	}
}
