package train

import (
	"fmt"
	"os"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/dataset"
	"github.com/scoresde/scoresde/pkg/nets"
)

// resident is the memory that the process holds, in bytes, without what the collector has yet to return.
func resident(t *testing.T) float64 {
	t.Helper()
	debug.FreeOSMemory()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("the system does not tell how much memory a process holds")
	}
	_, text, _ := strings.Cut(string(status), "VmRSS:")
	var kB float64
	if _, err := fmt.Sscan(text, &kB); err != nil {
		t.Fatal(err)
	}
	return kB * 1024
}

// TestMemory: of the bytes that MNIST has, training holds at most three copies, that of the caller among them: by so much do
// five times as many need more, network and optimiser being the same. What compilers keep differs by tens of megabytes.
func TestMemory(t *testing.T) {
	const many, side = 60_000, 28
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		during := 0.0
		train := func(n int) {
			pictures := tensors.FromShape(shapes.Make(dtypes.Uint8, n, side, side, 1))
			pictures.MustMutableFlatData(func(flat any) {
				for i := range flat.([]uint8) {
					flat.([]uint8)[i] = uint8(7 * i)
				}
			})
			x, err := dataset.NewExamples(pictures)
			if err != nil {
				t.Fatal(err)
			}
			cfg, _ := small(20)
			cfg.Net = nets.MLP{Width: 8, Depth: 1}
			set := Settings{Backend: b, Dir: t.TempDir(), Progress: func(int, int, string) { during = resident(t) }}
			if _, err := Fit(t.Context(), cfg, Data{X: x}, set); err != nil {
				t.Fatal(err)
			}
		}
		train(many)
		before := during
		train(5 * many)
		ratio := (during - before) / (4 * many * side * side)
		t.Logf("holds %.2f copies of the data", ratio)
		if !(ratio <= 3) {
			t.Errorf("holds %.2f copies of the data, want at most 3", ratio)
		}
	})
}
