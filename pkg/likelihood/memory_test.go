package likelihood

import (
	"context"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/ode"
	"github.com/scoresde/scoresde/pkg/score"
)

// forget makes peak start anew from what is held now, so that what earlier tests took hides nothing. Where the kernel does
// not allow it, peak is the largest ever and the test sees less.
func forget() { _ = os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) }

// peak is the largest memory that this process has held since forget, in MiB.
func peak(t *testing.T) float64 {
	t.Helper()
	status, err := os.ReadFile("/proc/self/status")
	if err != nil {
		t.Skip("no /proc/self/status to read the peak of memory from")
	}
	_, after, _ := strings.Cut(string(status), "VmHWM:")
	var kib float64
	if _, err := fmt.Sscan(after, &kib); err != nil {
		t.Fatal(err)
	}
	return kib / 1024
}

// TestMemoryDoesNotGrow: twice the evaluations take no more memory. Keeping even one hidden layer of each evaluation
// would take 2000 x 128 floats more for each, fifty MiB and more in all.
func TestMemoryDoesNotGrow(t *testing.T) {
	const rows = 2000
	b, s := backend.MustOpen(), processes[1]
	m := &score.Model{SDE: s, Parametrisation: score.EDM, Net: nets.MLP{Width: 128, Depth: 2}, Std: 0.73, Store: model.NewStore(), Name: "memory"}
	if err := m.Init(2); err != nil {
		t.Fatal(err)
	}
	lab := must(New(b, m.Live(), s, 2))
	x := law.Sample(rand.New(rand.NewPCG(1, 1)), rows)
	evaluate := func(tol float64) float64 {
		return must(lab.LogProb(context.Background(), x, Settings{Control: ode.Control{Abs: tol, Rel: tol, WholeStep: true}})).ODE.NFE
	}
	evaluate(1) // compiles
	forget()
	few := evaluate(1e-2)
	before := peak(t)
	forget()
	many := evaluate(1e-6)
	grown := peak(t) - before
	t.Logf("%.0f evaluations, then %.0f: the peak grew by %.0f of %.0f MiB", few, many, grown, before)
	if many < 2*few {
		t.Fatalf("%.0f evaluations after %.0f: too few more to tell", many, few)
	}
	if layer := rows * 128 * 4.0 / (1 << 20); grown > layer*(many-few)/2 {
		t.Errorf("memory grew by %.0f MiB over %.0f evaluations of %.1f MiB a layer", grown, many-few, layer)
	}
}
