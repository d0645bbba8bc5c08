package score

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/sde"
)

// FisherPoint is the weighted Fisher error at one time.
type FisherPoint struct {
	T      float64
	Error  float64 // E |Sigma (f - score)|^2 over x ~ p_t
	Stderr float64 // standard error of Error
}

// Fisher measures how far f is from the exact score: E_{x ~ p_t} |Sigma(t) (f(x,t) - score(x,t))|^2 at
// each of ts, from n exact samples of p_t each. The weight makes the number comparable over t: a score of zero at large
// Sigma has error d.
func (u Truth) Fisher(b compute.Backend, f Func, ts []float64, n int, seed uint64) ([]FisherPoint, error) {
	if f == nil {
		return nil, errors.New("score: Fisher wants a score, got nil")
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	means, err := u.Expect(b, ts, n, rng, func(x, _, t *Node) []*Node {
		off := Sub(f(x, t), u.Score()(x, t))
		return []*Node{sde.PerExample(Square(sde.Times(u.SDE.Sigma(t), off)))}
	})
	if err != nil {
		return nil, fmt.Errorf("score: Fisher: %w", err)
	}
	points := make([]FisherPoint, len(ts))
	for k, m := range means {
		points[k] = FisherPoint{T: ts[k], Error: m[0].Value, Stderr: m[0].Stderr}
	}
	return points, nil
}

// MaxError returns the largest error of the points. It is NaN if one of them is NaN, or if there are none, so that no
// bound holds by accident.
func MaxError(points []FisherPoint) float64 {
	if len(points) == 0 {
		return math.NaN()
	}
	worst := math.Inf(-1)
	for _, p := range points {
		worst = math.Max(worst, p.Error) // NaN if either is
	}
	return worst
}
