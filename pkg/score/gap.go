package score

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/sde"
)

// GapPoint compares two losses of one model at one time, both weighted with lambda = Sigma^2.
type GapPoint struct {
	T        float64
	DSM      float64 // E |Sigma (f(x_t,t) - grad log p(x_t|x_0))|^2, the loss that can be computed
	Explicit float64 // E |Sigma (f(x_t,t) - grad log p_t(x_t))|^2, the loss that is meant
	Excess   float64 // DSM - Explicit minus the constant E|z|^2 - E|Sigma grad log p_t|^2 on the same samples
	Stderr   float64 // standard error of Excess
}

// Gap measures what denoising score matching rests on (Vincent 2011): the DSM loss exceeds the explicit loss by the
// constant E|z|^2 - E|Sigma grad log p_t|^2, whatever f is, so that both have the same minimum. Excess is 0 up to noise
// for every f. n samples of data and of noise are drawn per time; the same seed gives the same samples for
// another f.
func (u Truth) Gap(b compute.Backend, f Func, ts []float64, n int, seed uint64) ([]GapPoint, error) {
	if f == nil {
		return nil, errors.New("score: Gap wants a score, got nil")
	}
	norm2 := func(v *Node) *Node { return sde.PerExample(Square(v)) }
	rng := rand.New(rand.NewPCG(seed, 1))
	means, err := u.Expect(b, ts, n, rng, func(x, z, t *Node) []*Node {
		sigma := u.SDE.Sigma(t)
		learned, target := sde.Times(sigma, f(x, t)), sde.Times(sigma, u.Score()(x, t))
		dsm, explicit := norm2(Add(learned, z)), norm2(Sub(learned, target))
		constant := Sub(norm2(z), norm2(target))
		return []*Node{dsm, explicit, Sub(Sub(dsm, explicit), constant)}
	})
	if err != nil {
		return nil, fmt.Errorf("score: Gap: %w", err)
	}
	points := make([]GapPoint, len(ts))
	for k, m := range means {
		points[k] = GapPoint{T: ts[k], DSM: m[0].Value, Explicit: m[1].Value, Excess: m[2].Value, Stderr: m[2].Stderr}
	}
	return points, nil
}
