package score

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Preconditioning are the coefficients of the denoiser D(x; sigma) = c_skip x + c_out F(c_in x; c_noise) at noise levels
// sigma, with x in the units of the data (Karras et al. 2022, eq 7). All slices have one length.
type Preconditioning struct{ Sigma, Skip, Out, In, Noise []float64 }

// Preconditioning evaluates p in the denoiser's form, D = x + sigma^2 score, at noise levels sigmas > 0 for data of standard
// deviation std > 0, in float64. Velocity and RawTime, which depend on more than sigma, are taken on the process sde.EDM, s = 1 and sigma = t.
func (p Parametrisation) Preconditioning(std float64, sigmas []float64) (Preconditioning, error) {
	if err := p.Validate(); err != nil {
		return Preconditioning{}, err
	}
	if !(std > 0) || math.IsInf(std, 0) {
		return Preconditioning{}, fmt.Errorf("score: standard deviation of the data is %g, want > 0 and finite", std)
	}
	if len(sigmas) == 0 {
		return Preconditioning{}, fmt.Errorf("score: preconditioning %s: want at least one noise level, got none", p)
	}
	for i, sigma := range sigmas {
		if !(sigma > 0) || math.IsInf(sigma, 0) {
			return Preconditioning{}, fmt.Errorf("score: preconditioning %s: noise level %d is %g, want > 0 and finite", p, i, sigma)
		}
	}
	out, err := CallOnceN(backend.Go(), func(sigma *Node) []*Node {
		defer backend.PanicWithError()
		c, v := p.Coef(newKernel(sde.EDM{}, std, sigma)), Square(sigma)
		row := []*Node{OnesLike(sigma), Mul(v, c.Out), OnesLike(sigma), c.Noise}
		if c.Skip != nil {
			row[0] = AddScalar(Mul(v, c.Skip), 1)
		}
		if c.In != nil {
			row[2] = c.In
		}
		return row
	}, sigmas)
	if err != nil {
		return Preconditioning{}, fmt.Errorf("score: preconditioning %s: %w", p, err)
	}
	column := func(k int) []float64 { return out[k].Value().([]float64) }
	return Preconditioning{sigmas, column(0), column(1), column(2), column(3)}, nil
}
