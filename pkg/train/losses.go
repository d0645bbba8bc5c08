package train

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/run"
)

// lossPoints is the number of points that a run's record of losses has, or a little less.
const lossPoints = 200

// LossPoint is the mean loss over the steps since the previous point.
type LossPoint struct {
	Step int     `json:"step"`
	Loss float64 `json:"loss"`
}

// metrics is p as a line of metrics.jsonl.
func (p LossPoint) metrics() run.Point {
	return run.Point{Step: p.Step, Values: map[string]float64{"loss": p.Loss}}
}

// pointSteps is the number of steps between two points, which depends on nothing but the recipe: equal runs have equal
// points however fast they were and however often interrupted.
func (r Recipe) pointSteps() int { return (r.Steps + lossPoints - 1) / lossPoints }

func (r Recipe) points() int { return (r.Steps + r.pointSteps() - 1) / r.pointSteps() }

// addLoss adds a loss to the sum of its point, one of sums [lossPoints].
func addLoss(sums, loss, point *Node) *Node {
	g := point.Graph()
	shape := shapes.Make(dtypes.Int32, sums.Shape().Dimensions...)
	here := Equal(Iota(g, shape, -1), BroadcastToShape(point, shape))
	sum := BroadcastToShape(ConvertDType(loss, sums.DType()), sums.Shape())
	return Add(sums, Where(here, sum, ZerosLike(sum)))
}

// lossSums are the sums after some steps, [lossPoints], with partial in that of the point under way.
func (r Recipe) lossSums(done int, partial float32) *tensors.Tensor {
	sums := make([]float32, lossPoints)
	if k := done / r.pointSteps(); k < len(sums) {
		sums[k] = partial
	}
	return tensors.FromValue(sums)
}

// losses adds the points that steps have completed to those known, and returns the sum of the one under way.
func (r Recipe) losses(known []LossPoint, sums []float32, steps int) (points []LossPoint, partial float32) {
	points, done := known, 0
	if len(known) > 0 {
		done = known[len(known)-1].Step
	}
	for k := done / r.pointSteps(); k < r.points(); k++ {
		end := min((k+1)*r.pointSteps(), r.Steps)
		if steps < end {
			return points, sums[k]
		}
		points = append(points, LossPoint{end, float64(sums[k]) / float64(end-done)})
		done = end
	}
	return points, 0
}

// total is the sum of all of sums.
func total(sums []float32) float64 {
	t := 0.0
	for _, s := range sums {
		t += float64(s)
	}
	return t
}
