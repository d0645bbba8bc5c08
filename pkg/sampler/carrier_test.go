package sampler

import (
	"context"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// memory adds the previous difference of times to every coordinate: it needs what it carries.
type memory struct{ scale float64 }

func (memory) String() string     { return "memory" }
func (memory) Key() any           { return memory{} }
func (m memory) Knobs() []float64 { return []float64{m.scale} }
func (memory) Validate() error    { return nil }
func (memory) NFE() int           { return 0 }

func (memory) Begin(_ *Problem, x, t *Node, knobs []*Node) []*Node {
	return []*Node{Mul(knobs[0], t), ReduceAllSum(x)}
}

func (memory) Step(_ *Problem, rng noise.Source, x, t, tNext *Node, aux, knobs []*Node) (next *Node, newAux []*Node) {
	return Add(x, Reshape(aux[0], 1, 1)), []*Node{Mul(knobs[0], Sub(t, tNext)), aux[1]}
}

// TestCarrier: what a method carries starts with Begin, follows the steps, and ends in the result, on the device as on
// the host; its knobs are inputs.
func TestCarrier(t *testing.T) {
	s := sde.OU1()
	for name, b := range backendtest.All(t) {
		lab := must(New(b, Problem{SDE: s, Score: score.Exact(dist.FourGaussians(), s).Score(), N: 3, Shape: []int{2}}))
		for _, scale := range []float64{1, 2} {
			for _, host := range []bool{false, true} {
				grid := []float64{1, 0.5, 0.25, s.Span().Eps}
				r := must(lab.Run(context.Background(), memory{scale}, Settings{Steps: 3, HostLoop: host,
					Init:     Tensor(Matrix(must(lab.start(Settings{Seed: 1}))), lab.problem.dtype()),
					Schedule: func(int, sde.Span) []float64 { return grid }}))
				start := Matrix(must(lab.start(Settings{Seed: 1})))
				closeTo(t, name+": x", r.Samples().At(1, 1), start.At(1, 1)+scale*(1+0.5+0.25), 1e-5)
				closeTo(t, name+": carried", float64(tensors.MustCopyFlatData[float32](r.Aux[0])[0]), scale*(0.25-grid[3]), 1e-6)
			}
		}
		if got := lab.Builds(); got != 2 { // device and host
			t.Errorf("%s: %d builds, want 2", name, got)
		}
	}
}
