package dist

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Mixture is a mixture of K Gaussians on R^d. A Mixture is immutable; make one with NewMixture, NewIsotropicMixture,
// Ring or FourGaussians; Observe, Given and Linear make others of it. Its noised versions are mixtures with means
// alpha mu_k and covariances alpha^2 C_k + sigma^2 I. With isotropic covariances no matrix product is formed, so that
// the exact score costs a few elementwise operations on [B, K, d]; with full ones points are turned by a product
// [B, d] x [d, K d], which on CUDA in float32 has only the digits of TF32 unless the backend is opened with tf32=false.
type Mixture struct {
	*mixture
}

type mixture struct {
	weights    []float64
	components *components
}

// NewMixture returns the mixture with weights [K], means [K, d] and positive definite covariances K of [d, d].
// The weights must be positive and sum to 1 within 1e-9; nil means equal weights.
func NewMixture(weights []float64, means mat.Matrix, covs []*mat.SymDense) (Mixture, error) {
	m, err := copyMeans(means)
	if err != nil {
		return Mixture{}, err
	}
	c, err := general(m, covs)
	if err != nil {
		return Mixture{}, err
	}
	return weighted(weights, c)
}

// NewIsotropicMixture returns the mixture with weights [K] as in NewMixture, means [K, d] and covariances
// stds[k]^2 I. A standard deviation of 0 is a point mass: such a law has a density only once it is noised.
func NewIsotropicMixture(weights []float64, means mat.Matrix, stds []float64) (Mixture, error) {
	m, err := copyMeans(means)
	if err != nil {
		return Mixture{}, err
	}
	c, err := isotropic(m, stds)
	if err != nil {
		return Mixture{}, err
	}
	return weighted(weights, c)
}

// Ring returns k >= 1 equal isotropic Gaussians in the plane with their means on a circle, the first at angle 0.
func Ring(k int, radius, std float64) (Mixture, error) {
	if k < 1 || !finite(radius) {
		return Mixture{}, fmt.Errorf("dist: Ring: k = %d, radius = %g, want k >= 1 and a finite radius", k, radius)
	}
	means := mat.NewDense(k, 2, nil)
	stds := make([]float64, k)
	for i := range k {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(k))
		means.SetRow(i, []float64{radius * cos, radius * sin})
		stds[i] = std
	}
	return NewIsotropicMixture(nil, means, stds)
}

// FourGaussians is the target of Yang and Batzolis, CCIMI report (2021), figure 2: the unit circle at 0, 90, 180 and
// 270 degrees, standard deviation 0.2, equal weights. Its entropy is 1.0041 nats.
func FourGaussians() Mixture {
	m, err := NewIsotropicMixture(nil, mat.NewDense(4, 2, []float64{1, 0, 0, 1, -1, 0, 0, -1}), []float64{0.2, 0.2, 0.2, 0.2})
	if err != nil {
		panic(err) // the literals above are valid
	}
	return m
}

// copyMeans copies and checks the matrix of means.
func copyMeans(means mat.Matrix) (*mat.Dense, error) {
	if means == nil {
		return nil, errors.New("dist: the means are nil, want a matrix [K, d]")
	}
	if k, d := means.Dims(); k == 0 || d == 0 {
		return nil, fmt.Errorf("dist: the means are [%d, %d], want at least one component and one dimension", k, d)
	}
	m := mat.DenseCopyOf(means)
	for i, v := range flat(m) {
		if !finite(v) {
			_, d := m.Dims()
			return nil, fmt.Errorf("dist: mean %d is %v, want finite numbers", i/d, m.RawRowView(i/d))
		}
	}
	return m, nil
}

// weighted checks the weights, scales away their rounding and returns the mixture.
func weighted(weights []float64, c *components) (Mixture, error) {
	if weights == nil {
		weights = slices.Repeat([]float64{1 / float64(c.k)}, c.k)
	}
	if len(weights) != c.k {
		return Mixture{}, fmt.Errorf("dist: %d weights for %d components", len(weights), c.k)
	}
	total := 0.0
	for i, w := range weights {
		if !(w > 0) || !finite(w) {
			return Mixture{}, fmt.Errorf("dist: weight %d is %g, want a positive number", i, w)
		}
		total += w
	}
	if math.Abs(total-1) > 1e-9 {
		return Mixture{}, fmt.Errorf("dist: the weights sum to %.12g, want 1", total)
	}
	weights = slices.Clone(weights)
	for i := range weights {
		weights[i] /= total
	}
	return Mixture{&mixture{weights, c}}, nil
}

// Dim implements Law.
func (m Mixture) Dim() int { return m.components.dim }

// Components is the number K of components.
func (m Mixture) Components() int { return m.components.k }

// Weights returns a copy of the weights, [K].
func (m Mixture) Weights() []float64 { return slices.Clone(m.weights) }

// Means returns the centres of the components, [K, d].
func (m Mixture) Means() *mat.Dense { return mat.DenseCopyOf(m.components.means) }

// Component returns component k as a law of its own; it panics unless 0 <= k < K.
func (m Mixture) Component(k int) Gaussian {
	if k < 0 || k >= m.components.k {
		panic(fmt.Errorf("dist: component %d of a mixture of %d", k, m.components.k))
	}
	return Gaussian{m.components.only(k)}
}

// Mean implements Law.
func (m Mixture) Mean() []float64 {
	var mean mat.VecDense
	mean.MulVec(m.components.means.T(), mat.NewVecDense(len(m.weights), m.weights))
	return mean.RawVector().Data
}

// Cov implements Law: the mean of the covariances plus the covariance of the means.
func (m Mixture) Cov() *mat.SymDense {
	out := mat.NewSymDense(m.components.dim, nil)
	mean := mat.NewVecDense(m.components.dim, m.Mean())
	var shift mat.VecDense
	for k, w := range m.weights {
		cov := m.components.cov(k)
		shift.SubVec(m.components.means.RowView(k), mean)
		cov.SymRankOne(cov, 1, &shift)
		cov.ScaleSym(w, cov)
		out.AddSym(out, cov)
	}
	return out
}

// Sample implements Law.
func (m Mixture) Sample(rng *rand.Rand, n int) *mat.Dense {
	x, _ := m.SampleLabelled(rng, n)
	return x
}

// SampleLabelled draws n >= 1 points, [n, d], and the component that each came from.
func (m Mixture) SampleLabelled(rng *rand.Rand, n int) (*mat.Dense, []int) {
	cumulative := m.cumulative()
	x := mat.NewDense(n, m.components.dim, nil)
	labels := make([]int, n)
	for i := range n {
		labels[i] = min(sortSearch(cumulative, rng.Float64()), len(cumulative)-1)
		m.components.draw(rng, labels[i], x.RawRowView(i))
	}
	return x, labels
}

// cumulative returns the running sums of the weights.
func (m Mixture) cumulative() []float64 {
	out := make([]float64, len(m.weights))
	total := 0.0
	for k, w := range m.weights {
		total += w
		out[k] = total
	}
	return out
}

// sortSearch is the first index whose cumulative weight exceeds u.
func sortSearch(cumulative []float64, u float64) int {
	i, found := slices.BinarySearch(cumulative, u)
	if found {
		i++
	}
	return i
}

// Noised implements Law.
func (m Mixture) Noised(alpha, sigma float64) Law {
	checkKernel(alpha, sigma)
	return Mixture{&mixture{m.weights, m.components.noised(alpha, sigma)}}
}

// String implements Law.
func (m Mixture) String() string {
	return fmt.Sprintf("mixture of %s", m.components)
}

// String describes the components in a few words.
func (c *components) String() string {
	noun := "Gaussians"
	if c.k == 1 {
		noun = "Gaussian"
	}
	if c.bases != nil {
		return fmt.Sprintf("%d %s in %d-D", c.k, noun, c.dim)
	}
	low, high := math.Sqrt(mat.Min(c.vars)), math.Sqrt(mat.Max(c.vars))
	if low == high {
		return fmt.Sprintf("%d %s in %d-D, std %.4g", c.k, noun, c.dim, low)
	}
	return fmt.Sprintf("%d %s in %d-D, std %.4g to %.4g", c.k, noun, c.dim, low, high)
}
