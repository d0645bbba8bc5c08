package control

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// lowest is the smallest variance of p(x_0|x_t) that TMPD believes in, in units of (Sigma/Alpha)^2, the variance under a
// flat law of x_0: less is rounding, or the derivative of a learned score that no law has. It must not be much larger,
// because the truth is small too where noise drowns the data.
const lowest = 1e-6

// TMPD is the likelihood of an observation under Tweedie moment projection (Boys et al. 2023, arXiv 2310.06721):
// p(x_0|x_t) is replaced by the Gaussian with its true mean and variances,
//
//	E[x_0|x_t] = D(x, t),   Cov[x_0|x_t] = Sigma^2/Alpha dD/dx,
//
// of which the diagonal in the coordinates of the observation is kept. It needs one gradient of D per known coordinate,
// and is closer to the truth than PiGDM wherever the spread of x_0 depends on x_t. Gradients of the variances are left out
// of its own gradient, as in the paper. Where a derivative is not positive, as those of a learned score may be, the
// variance is that of x_t alone, (Sigma/Alpha)^2. base is the unconditional score behind D.
func (o *Observation) TMPD(base score.Func, s sde.SDE) score.LogDensity {
	denoise := score.Denoiser(base, s)
	return func(x, t *Node) *Node {
		means := o.observed(denoise(x, t))
		alpha := sde.Like(s.Alpha(t), x)
		widest := Square(Div(sde.Like(s.Sigma(t), x), alpha))
		shares := make([]*Node, len(o.stds)) // variances in units of widest, [B, 1] each
		for i := range shares {
			slope := Gradient(ReduceAllSum(SliceAxis(means, 1, AxisElem(i))), x)[0]
			along := constant(x, o.basis.Slice(i, i+1, 0, x.Shape().Dim(1)))
			shares[i] = Mul(alpha, ReduceAndKeep(Mul(slope, along), ReduceSum, -1))
		}
		share := StopGradient(Concatenate(shares, 1))
		share = Where(GreaterThan(share, ConstAs(x, [][]float64{{lowest}})), share, OnesLike(share))
		return o.gaussian(means, Mul(widest, share))
	}
}
