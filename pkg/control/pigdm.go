package control

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// PiGDM is the likelihood of an observation under pseudo-inverse guidance (Song, Vahdat, Mardani and Kautz, Pseudoinverse-
// Guided Diffusion Models for Inverse Problems, ICLR 2023): p(x_0|x_t) is replaced by the Gaussian around the posterior
// mean D(x, t) with the variance that data N(0, std^2 I) would have,
//
//	p_t(y|x) = N(y; A D(x, t), r_t^2 A A^T + noise^2 I),   r_t^2 = std^2 Sigma^2/(Alpha^2 std^2 + Sigma^2).
//
// base is the unconditional score behind D, std > 0 the standard deviation of the data. It is exact for data N(m, std^2 I)
// and biased where p(x_0|x_t) is not Gaussian, with several modes above all. It is normalised as the density of the known
// coordinates, those of Observation's basis.
func (o *Observation) PiGDM(base score.Func, s sde.SDE, std float64) score.LogDensity {
	denoise := score.Denoiser(base, s)
	return func(x, t *Node) *Node {
		if !(std > 0) || math.IsInf(std, 0) {
			panic(fmt.Errorf("control: PiGDM got standard deviation %g of the data, want > 0 and finite", std))
		}
		alpha, sigma := sde.Like(s.Alpha(t), x), sde.Like(s.Sigma(t), x)
		v := MulScalar(Square(sigma), std*std)
		spread := Div(v, Add(MulScalar(Square(alpha), std*std), Square(sigma))) // r_t^2, [B or 1, 1]
		return o.gaussian(o.observed(denoise(x, t)), spread)
	}
}

// gaussian is the log density of the observation if the known coordinates of x_0 are Gaussian and independent with the
// given means [B, r] and variances [B or 1, r or 1]: [B].
func (o *Observation) gaussian(means, variances *Node) *Node {
	stds := constant(means, mat.NewDense(1, len(o.stds), o.stds))
	variances = Add(variances, Square(stds))
	gap := Sub(o.values(means), means)
	terms := Add(Div(Square(gap), variances), Log(MulScalar(variances, 2*math.Pi)))
	return MulScalar(ReduceSum(terms, -1), -0.5)
}
