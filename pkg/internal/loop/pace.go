package loop

import (
	"math"
	"time"
)

// NextChunk is the number of steps to run before the host looks again, for progress and interruption, after a chunk
// that took so long. It aims at five looks a second and changes by at most a factor of 8 up and 4 down, since a chunk
// that holds a compilation tells little.
func NextChunk(chunk int, took time.Duration) int {
	const aim = float64(200 * time.Millisecond)
	return max(1, int(float64(chunk)*math.Min(8, math.Max(0.25, aim/math.Max(float64(took), 1)))))
}
