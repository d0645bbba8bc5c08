package dist

import (
	"fmt"
	"math/rand/v2"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
)

// Gaussian is a normal distribution on R^d. A Gaussian is immutable; make one with NewGaussian or
// NewIsotropicGaussian.
type Gaussian struct {
	*components
}

// NewGaussian returns N(mean, cov) with a positive definite covariance [d, d].
func NewGaussian(mean []float64, cov *mat.SymDense) (Gaussian, error) {
	m, err := meanRow(mean)
	if err != nil {
		return Gaussian{}, err
	}
	c, err := general(m, []*mat.SymDense{cov})
	return Gaussian{c}, err
}

// NewIsotropicGaussian returns N(mean, std^2 I) with std >= 0; std = 0 is a point mass, as in NewIsotropicMixture.
func NewIsotropicGaussian(mean []float64, std float64) (Gaussian, error) {
	m, err := meanRow(mean)
	if err != nil {
		return Gaussian{}, err
	}
	c, err := isotropic(m, []float64{std})
	return Gaussian{c}, err
}

func meanRow(mean []float64) (*mat.Dense, error) {
	if len(mean) == 0 {
		return nil, fmt.Errorf("dist: the mean is empty, want at least one dimension")
	}
	return copyMeans(mat.NewDense(1, len(mean), slices.Clone(mean)))
}

// Dim implements Law.
func (g Gaussian) Dim() int { return g.dim }

// Mean implements Law.
func (g Gaussian) Mean() []float64 { return slices.Clone(g.means.RawRowView(0)) }

// Cov implements Law.
func (g Gaussian) Cov() *mat.SymDense { return g.cov(0) }

// Sample implements Law.
func (g Gaussian) Sample(rng *rand.Rand, n int) *mat.Dense {
	x := mat.NewDense(n, g.dim, nil)
	for i := range n {
		g.draw(rng, 0, x.RawRowView(i))
	}
	return x
}

// LogProb implements Law.
func (g Gaussian) LogProb(x, alpha, sigma *Node) *Node {
	checkInputs("Gaussian.LogProb", g.dim, x, alpha, sigma)
	return Reshape(g.at(x, alpha, sigma).logProb(), x.Shape().Dim(0))
}

// Score implements Law.
func (g Gaussian) Score(x, alpha, sigma *Node) *Node {
	checkInputs("Gaussian.Score", g.dim, x, alpha, sigma)
	return g.fromBasis(Neg(g.at(x, alpha, sigma).whitened))
}

// Denoise implements Law.
func (g Gaussian) Denoise(x, alpha, sigma *Node) *Node {
	checkInputs("Gaussian.Denoise", g.dim, x, alpha, sigma)
	return g.fromBasis(g.at(x, alpha, sigma).denoised())
}

// fromBasis turns [B, 1, d] in the eigenbasis back to [B, d]; with one isotropic component there is nothing to sum.
func (g Gaussian) fromBasis(v *Node) *Node {
	if g.bases == nil {
		return Reshape(v, v.Shape().Dim(0), g.dim)
	}
	return g.sumFromBasis(v)
}

// Noised implements Law.
func (g Gaussian) Noised(alpha, sigma float64) Law {
	checkKernel(alpha, sigma)
	return Gaussian{g.noised(alpha, sigma)}
}

// String implements Law.
func (g Gaussian) String() string { return g.components.String() }
