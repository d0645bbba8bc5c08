package objective

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// trialBatch is the number of times that Validate draws.
const trialBatch = 16

// Validate refuses an objective that cannot be trained: an unusable SDE, a weight that is negative or not finite
// somewhere on the span, Sigma = 0 at its start, or a time sampler that fails or leaves the span. It evaluates all of
// them once on the host.
func (o DSM) Validate() error { return validate(o, o.SDE, o.Time, o.Weighting) }

// validate checks what the objective o is made of.
func validate(o fmt.Stringer, s sde.SDE, times TimeSampler, weighting Weighting) error {
	if err := sde.Validate(s); err != nil {
		return fmt.Errorf("objective: %s: %w", o, err)
	}
	ts := grid(s)
	ts[0] = s.Span().Eps
	results, err := CallOnceN(backend.Go(), func(t *Node) []*Node {
		defer backend.PanicWithError()
		x0 := Zeros(t.Graph(), shapes.Make(dtypes.Float64, trialBatch, 1))
		drawn, weight := orUniform(times).Draw(s, noise.Once(t.Graph(), 1), x0)
		return []*Node{s.Alpha(t), s.Sigma(t), weighting.Lambda(s, t), drawn, weight}
	}, ts)
	if err != nil {
		return fmt.Errorf("objective: %s: %w", o, err)
	}
	span := s.Span()
	for k, c := range []column{
		{"Alpha", len(ts), smallest, math.MaxFloat32},
		{"Sigma", len(ts), smallest, math.MaxFloat32},
		{"lambda", len(ts), 0, math.MaxFloat32},
		{"a drawn time", trialBatch, span.Eps, span.T},
		{"the weight of a drawn time", trialBatch, 0, math.MaxFloat32},
	} {
		values, ok := results[k].Value().([]float64)
		if !ok || len(values) != c.n {
			return fmt.Errorf("objective: %s: %s is %s, want float64 [%d]", o, c.name, results[k].Shape(), c.n)
		}
		for i, v := range values {
			slack := 1e-9 * c.min
			if !(v >= c.min-slack && v <= c.max*(1+1e-9)) {
				return fmt.Errorf("objective: %s: %s of %s is %g (number %d of %d, from t = %g to %g), want it in [%g, %g]",
					o, c.name, s, v, i+1, c.n, span.Eps, span.T, c.min, c.max)
			}
		}
	}
	return nil
}

// smallest is the least number that float32, in which training runs, can divide by.
const smallest = 0x1p-126

// column describes one of the results that Validate looks at.
type column struct {
	name     string
	n        int
	min, max float64
}
