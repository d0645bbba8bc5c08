// Package objective holds the losses that fit a score, denoising score matching with its weightings lambda(t), and a
// classifier of noised data, the cross-entropy; and the ways of drawing times for both.
package objective

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
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

// Loss implements ScoreMatching: the mean over the batch of the weighted squared errors, summed over the numbers of an example
// that count.
func (o DSM) Loss(f score.Func, rng noise.Source, x0, mask *Node) *Node {
	t, weight := orUniform(o.Time).Draw(o.SDE, rng, x0)
	z := rng.Normal(x0.Shape())
	return ReduceAllMean(Mul(weight, o.Errors(f, x0, z, t, mask)))
}

// Errors returns lambda(t) |f(x_t, t) + z/Sigma|^2 per example [B] for given times t [B], noise z [B, ...] and mask, nil for
// none. It is computed as (lambda/Sigma^2) |Sigma f + z|^2, whose factors stay of order one as Sigma goes to 0.
func (o DSM) Errors(f score.Func, x0, z, t, mask *Node) *Node {
	alpha, sigma := o.SDE.Alpha(t), o.SDE.Sigma(t)
	residual := Add(sde.Times(sigma, f(noised(x0, z, alpha, sigma), t)), z)
	errors := sde.PerExample(Square(counted(residual, mask)))
	if ratio := o.Weighting.orDefault().ratio(o.SDE, t, alpha, sigma); ratio != nil {
		errors = Mul(ratio, errors)
	}
	return errors
}

// counted is x [B, ...] with zeros where mask, bool of the first axes of x, does not count it; nil: x.
func counted(x, mask *Node) *Node {
	if mask == nil {
		return x
	}
	dims := slices.Repeat([]int{1}, x.Rank())
	copy(dims, mask.Shape().Dimensions)
	return Where(BroadcastToShape(Reshape(mask, dims...), shapes.Make(mask.DType(), x.Shape().Dimensions...)), x, ZerosLike(x))
}

// noised is x_t = alpha x_0 + sigma z.
func noised(x0, z, alpha, sigma *Node) *Node {
	return Add(sde.Times(alpha, x0), sde.Times(sigma, z))
}

// String names the weighting and the time sampling.
func (o DSM) String() string {
	return fmt.Sprintf("DSM, lambda = %s, t %s", o.Weighting.orDefault(), orUniform(o.Time))
}
