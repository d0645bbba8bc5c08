package loop

import (
	"math"
	"slices"
	"time"
)

// NextChunk is the number of steps to run before the host looks again, for progress and interruption, after a chunk
// that took so long. It aims at five looks a second and changes by at most a factor of 8 up and 4 down, since a chunk
// that holds a compilation tells little.
func NextChunk(chunk int, took time.Duration) int {
	const aim = float64(200 * time.Millisecond)
	return max(1, int(float64(chunk)*math.Min(8, math.Max(0.25, aim/math.Max(float64(took), 1)))))
}

// Padded lengthens a table that enters a loop as input, so that all tables up to a size have the same shape and share
// one executable.
func Padded(table []float64) []float64 {
	size := 4096
	for size < len(table) {
		size *= 2
	}
	return append(slices.Clone(table), make([]float64, size-len(table))...)
}
