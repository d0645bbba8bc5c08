package edm

import (
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestIDDPMLevels: the levels fall from u_0 to u_M = 0, and undo the recursion: abar_{j-1}/abar_j is the ratio of the
// 1/(1 + u^2) wherever it is above C1, which is everywhere but at u_0.
func TestIDDPMLevels(t *testing.T) {
	u := IDDPMLevels()
	if len(u) != 1001 || u[1000] != 0 {
		t.Fatalf("%d levels that end at %g", len(u), u[len(u)-1])
	}
	for j := 1; j <= 1000; j++ {
		if !(u[j-1] > u[j]) {
			t.Errorf("u_%d = %g, u_%d = %g", j-1, u[j-1], j, u[j])
		}
		angle := math.Pi / 2 * float64(j) / 1008
		if want := math.Cos(math.Pi/2*8/1008) / math.Sin(angle); relative(math.Sqrt(1+u[j]*u[j]), want) > 1e-10 {
			t.Errorf("u_%d = %g, want %g", j, u[j], math.Sqrt(want*want-1))
		}
	}
	if want := math.Sqrt((u[1]*u[1]+1)*1000 - 1); relative(u[0], want) > 1e-12 {
		t.Errorf("u_0 = %g, want %g", u[0], want)
	}
	if u[iddpmFirst] > 81 || u[iddpmFirst-1] < 81 {
		t.Errorf("u_%d = %g is not the first level below 81", iddpmFirst, u[iddpmFirst])
	}
}

// TestIDDPMSchedule: a run takes all steps between levels, and refuses more, where levels repeat.
func TestIDDPMSchedule(t *testing.T) {
	s := Table1(0.5)[2].Sampling
	lab := must(sampler.New(backend.Go(), sampler.Problem{SDE: s, Score: score.Exact(gaussianFlow{0.5, 0.3}.law(), s).Score(), N: 1, Shape: []int{1}, DType: dtypes.Float64}))
	euler := sampler.PC{Predictor: sampler.ProbabilityFlow{}}
	run(t, lab, euler, sampler.Settings{Steps: 991, Schedule: IDDPMSchedule})
	if _, err := lab.Run(t.Context(), euler, sampler.Settings{Steps: 992, Schedule: IDDPMSchedule}); err == nil || !strings.Contains(err.Error(), "falling times") {
		t.Errorf("repeated levels gave %v", err)
	}
	if IDDPMSchedule(5, sde.Span{Eps: 1e5, T: 1e6}) != nil {
		t.Error("levels where there are none")
	}
}
