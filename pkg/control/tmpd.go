package control

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// lowest is the smallest variance of p(x_0|x_t) that TMPD believes in, in units of (Sigma/Alpha)^2: a learned score may
// have derivatives that no law has.
const lowest = 0.1

// TMPD is the likelihood of an observation under Tweedie moment projection (Boys et al. 2023, arXiv 2310.06721):
// p(x_0|x_t) is replaced by the Gaussian with its true mean and variances,
//
//	E[x_0|x_t] = D(x, t),   Cov[x_0|x_t] = Sigma^2/Alpha dD/dx,
//
// of which the diagonal in the coordinates of the observation is kept. It needs one gradient of D per known coordinate,
// and is closer to the truth than PiGDM wherever the spread of x_0 depends on x_t. Gradients of the variances are left out
// of its own gradient, as in the paper. base is the unconditional score behind D.
func (o *Observation) TMPD(base score.Func, s sde.SDE) LogLikelihood {
	denoise := score.Denoiser(base, s)
	return func(x, t *Node) *Node {
		means := o.observed(denoise(x, t))
		ratio := sde.Like(Div(Square(s.Sigma(t)), s.Alpha(t)), x)
		least := sde.Like(MulScalar(Square(Div(s.Sigma(t), s.Alpha(t))), lowest), x)
		variances := make([]*Node, len(o.stds))
		for i := range variances {
			slope := Gradient(ReduceAllSum(SliceAxis(means, 1, AxisElem(i))), x)[0]
			along := constant(x, o.basis.Slice(i, i+1, 0, x.Shape().Dim(1)))
			variances[i] = Max(Mul(ratio, ReduceAndKeep(Mul(slope, along), ReduceSum, -1)), least)
		}
		return o.gaussian(means, StopGradient(Concatenate(variances, 1)))
	}
}
