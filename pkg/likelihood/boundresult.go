package likelihood

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// BoundResult are bounds of n points.
type BoundResult struct {
	Values []float64  // upper bounds on E[-log p(x_Eps) | x_0], nats, [n]; unbiased in each row
	Stderr []float64  // of each value from its draws, as if they were independent: too large on average, as they are stratified
	Mean   score.Mean // of the values, with the standard error over rows, which holds the sampling of the data too

	sde      sde.SDE
	seed     int64
	x0       *mat.Dense
	gaussian gaussian
	end      []float64 // E[log N_T(x_T) - log prior(x_T)] in the values
}

// endDraws is the number of draws of x_T for each row in With.
const endDraws = 16

// With are the values with p_T in place of the prior, as in Result.With; their difference is what the mismatch of prior
// and p_T costs. The mean of log p_T given x_0 is drawn as a difference from a Gaussian, which p_T almost is.
func (r *BoundResult) With(law dist.Law) ([]float64, error) {
	alpha, sigma := sde.At(r.sde, r.sde.Span().T)
	last := r.gaussian.noised(alpha, sigma)
	n, d := r.x0.Dims()
	rng := rand.New(rand.NewPCG(uint64(r.seed), endStream))
	out, xT := floats.SubTo(make([]float64, n), r.Values, r.end), mat.NewDense(n, d, nil)
	for range endDraws {
		for i := range n {
			for k, v := range r.x0.RawRowView(i) {
				xT.Set(i, k, alpha*v+sigma*rng.NormFloat64())
			}
		}
		exact, err := dist.LogProbAt(law, xT, 1, 0)
		if err != nil {
			return nil, err
		}
		for i := range n {
			out[i] += (last.mean(xT.RawRowView(i), 1, 0) - exact[i]) / endDraws
		}
	}
	return out, nil
}

// endStream separates the random numbers of With from those of other users of a seed.
const endStream = 0xb0
