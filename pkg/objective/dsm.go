// Package objective holds the losses that fit a score, denoising score matching with its weightings lambda(t), and a
// classifier of noised data, the cross-entropy; and the ways of drawing times for both.
package objective

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// DSM is denoising score matching (Vincent 2011; Song et al. 2021, eq 7):
//
//	E_t lambda(t) E_{x_0, z} |f(x_t, t) - grad log p(x_t|x_0)|^2,   x_t = Alpha x_0 + Sigma z,   grad log p = -z/Sigma
//
// with t uniform on [Eps, T]. Its minimum over f is the score for every positive lambda. Time draws t from another law
// and divides by its density, which changes the variance of the gradient, not the objective; LogNormalSigma alone is
// used without that division, as in EDM, where it is part of the weighting.
type DSM struct {
	SDE       sde.SDE
	Weighting Weighting   // zero value: SigmaSquared
	Time      TimeSampler // nil: Uniform
}

// Loss draws times and noise for clean data x0 [B, ...] and returns the advanced random state and the scalar loss, the
// mean over the batch of the weighted squared errors summed over the numbers of an example.
func (o DSM) Loss(f score.Func, rng, x0 *Node) (newRNG, loss *Node) {
	rng, t, weight := orUniform(o.Time).Draw(o.SDE, rng, x0)
	rng, z := RandomNormal(rng, x0.Shape())
	return rng, ReduceAllMean(Mul(weight, o.Errors(f, x0, z, t)))
}

// Errors returns lambda(t) |f(x_t, t) + z/Sigma|^2 per example [B] for given times t [B] and noise z [B, ...]. It is
// computed as (lambda/Sigma^2) |Sigma f + z|^2, whose factors stay of order one as Sigma goes to 0.
func (o DSM) Errors(f score.Func, x0, z, t *Node) *Node {
	alpha, sigma := o.SDE.Alpha(t), o.SDE.Sigma(t)
	residual := Add(sde.Times(sigma, f(noised(x0, z, alpha, sigma), t)), z)
	errors := sde.PerExample(Square(residual))
	if ratio := o.Weighting.orDefault().ratio(o.SDE, t, alpha, sigma); ratio != nil {
		errors = Mul(ratio, errors)
	}
	return errors
}

// noised is x_t = alpha x_0 + sigma z.
func noised(x0, z, alpha, sigma *Node) *Node {
	return Add(sde.Times(alpha, x0), sde.Times(sigma, z))
}

// String names the weighting and the time sampling.
func (o DSM) String() string {
	return fmt.Sprintf("DSM, lambda = %s, t %s", o.Weighting.orDefault(), orUniform(o.Time))
}
