package objective

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Weighting is lambda(t). It is kept as the ratio lambda/Sigma^2, which stays finite where Sigma goes to 0.
type Weighting struct {
	Name  string
	ratio func(s sde.SDE, t, alpha, sigma *Node) *Node // nil result: 1
}

var (
	// SigmaSquared is lambda = Sigma^2, which gives every t the same loss for a zero score (Song et al. 2021); the default.
	SigmaSquared = Weighting{"sigma^2", func(sde.SDE, *Node, *Node, *Node) *Node { return nil }}
	// Likelihood is lambda = g^2, with which the loss bounds the negative log-likelihood (Song et al. 2021, arXiv
	// 2101.09258, eq 7). Its variance under uniform times is large: pair it with Importance.
	Likelihood = Weighting{"g^2", func(s sde.SDE, t, _, sigma *Node) *Node {
		return Square(Div(s.Diffusion(t), sigma))
	}}
	// Unit is lambda = 1, dominated by small Sigma.
	Unit = Weighting{"1", func(_ sde.SDE, _, _, sigma *Node) *Node { return Reciprocal(Square(sigma)) }}
)

// EDMWeighting is the weight of Karras et al. (2022, Table 1) written for the score: (s^2 + std^2)/(s std)^2 on the
// denoiser error with s = Sigma/Alpha, so that a network with EDM preconditioning sees targets of equal size at every t.
// std > 0 is the standard deviation of the data.
func EDMWeighting(std float64) Weighting {
	return Weighting{fmt.Sprintf("EDM(std %g)", std), func(_ sde.SDE, _, alpha, sigma *Node) *Node {
		ratio := Square(Div(sigma, alpha)) // |D - x0|^2 = (s^2)(residual)^2, residual = Sigma f + z
		return MulScalar(AddScalar(ratio, std*std), 1/(std*std))
	}}
}

// MinSNR caps the weight of low noise levels: lambda = Sigma^2 min(SNR, gamma)/SNR with SNR = (Alpha/Sigma)^2 (Hang et al.
// 2023, arXiv 2303.09556, for noise prediction). gamma > 0; the paper uses 5.
func MinSNR(gamma float64) Weighting {
	return Weighting{fmt.Sprintf("min-SNR(%g)", gamma), func(_ sde.SDE, _, alpha, sigma *Node) *Node {
		return MinScalar(MulScalar(Square(Div(sigma, alpha)), gamma), 1)
	}}
}

func (w Weighting) orDefault() Weighting {
	if w.ratio == nil {
		return SigmaSquared
	}
	return w
}

// Lambda is the weight itself at times t.
func (w Weighting) Lambda(s sde.SDE, t *Node) *Node {
	sigma := s.Sigma(t)
	lambda := Square(sigma)
	if ratio := w.orDefault().ratio(s, t, s.Alpha(t), sigma); ratio != nil {
		lambda = Mul(lambda, ratio)
	}
	return lambda
}

// OnDenoiser returns the weight that w puts on the squared error |D - x_0|^2 of a denoiser at the noise levels sigmas > 0,
// lambda(sigma) in the terms of Karras et al.: lambda/sigma^4 for the process sde.EDM, in float64.
func (w Weighting) OnDenoiser(sigmas []float64) ([]float64, error) {
	for i, sigma := range sigmas {
		if !(sigma > 0) || math.IsInf(sigma, 0) {
			return nil, fmt.Errorf("objective: weighting %s: noise level %d is %g, want > 0 and finite", w, i, sigma)
		}
	}
	if len(sigmas) == 0 {
		return nil, fmt.Errorf("objective: weighting %s: want at least one noise level, got none", w)
	}
	out, err := CallOnce(backend.Go(), func(sigma *Node) *Node {
		defer backend.PanicWithError()
		return Div(w.Lambda(sde.EDM{}, sigma), Square(Square(sigma)))
	}, sigmas)
	if err != nil {
		return nil, fmt.Errorf("objective: weighting %s: %w", w, err)
	}
	return out.Value().([]float64), nil
}

// String returns the name.
func (w Weighting) String() string { return w.orDefault().Name }
