package dist

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
)

// components are K Gaussians on R^d. Each covariance is kept as its eigendecomposition U diag(vars) U^T, because
// alpha^2 C + sigma^2 I has the same eigenvectors: every time-dependent inverse and determinant is then elementwise.
type components struct {
	k, dim int
	means  *mat.Dense   // [K, d]
	bases  []*mat.Dense // eigenvectors in columns, K of [d, d]; nil if every covariance is isotropic
	vars   *mat.Dense   // eigenvalues [K, d], or [K, 1] if isotropic
}

// isotropic returns components with covariances stds[k]^2 I; a standard deviation of 0 is a point mass.
func isotropic(means *mat.Dense, stds []float64) (*components, error) {
	k, dim := means.Dims()
	if len(stds) != k {
		return nil, fmt.Errorf("dist: %d standard deviations for %d means", len(stds), k)
	}
	vars := mat.NewDense(k, 1, nil)
	for i, s := range stds {
		if !finite(s) || s < 0 {
			return nil, fmt.Errorf("dist: standard deviation %d is %g, want a finite number >= 0", i, s)
		}
		vars.Set(i, 0, s*s)
	}
	return &components{k: k, dim: dim, means: means, vars: vars}, nil
}

// general returns components with full covariances, which must be positive definite.
func general(means *mat.Dense, covs []*mat.SymDense) (*components, error) {
	k, dim := means.Dims()
	if len(covs) != k {
		return nil, fmt.Errorf("dist: %d covariances for %d means", len(covs), k)
	}
	c := &components{k: k, dim: dim, means: means, vars: mat.NewDense(k, dim, nil), bases: make([]*mat.Dense, k)}
	for i, cov := range covs {
		values, basis, err := decompose(cov, dim)
		if err != nil {
			return nil, fmt.Errorf("dist: covariance %d: %w", i, err)
		}
		c.vars.SetRow(i, values)
		c.bases[i] = basis
	}
	return c, nil
}

// decompose returns the eigenvalues of a positive definite matrix and its eigenvectors in columns.
func decompose(cov *mat.SymDense, dim int) ([]float64, *mat.Dense, error) {
	if cov == nil || cov.SymmetricDim() != dim {
		n := 0
		if cov != nil {
			n = cov.SymmetricDim()
		}
		return nil, nil, fmt.Errorf("is %d x %d, want %d x %d", n, n, dim, dim)
	}
	for _, v := range cov.RawSymmetric().Data {
		if !finite(v) {
			return nil, nil, errors.New("holds NaN or Inf")
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(cov, true) {
		return nil, nil, errors.New("eigendecomposition failed")
	}
	values := eigen.Values(nil)
	// Eigenvalues carry a rounding error of about dim eps times the largest, so a smaller one cannot be told from 0.
	if floor := float64(dim) * 0x1p-52 * values[dim-1]; !(values[0] > floor) {
		return nil, nil, fmt.Errorf("is not positive definite: smallest eigenvalue %g, largest %g", values[0], values[dim-1])
	}
	var basis mat.Dense
	eigen.VectorsTo(&basis)
	return values, &basis, nil
}

// cov returns the covariance matrix of component k.
func (c *components) cov(k int) *mat.SymDense {
	out := mat.NewSymDense(c.dim, nil)
	for i := range c.dim {
		if c.bases == nil {
			out.SetSym(i, i, c.vars.At(k, 0))
			continue
		}
		u := c.bases[k].ColView(i)
		out.SymRankOne(out, c.vars.At(k, i), u)
	}
	return out
}

// draw writes one sample of component k to dst, of length d.
func (c *components) draw(rng *rand.Rand, k int, dst []float64) {
	copy(dst, c.means.RawRowView(k))
	for j := range dst {
		if c.bases == nil {
			dst[j] += math.Sqrt(c.vars.At(k, 0)) * rng.NormFloat64()
			continue
		}
		z := math.Sqrt(c.vars.At(k, j)) * rng.NormFloat64()
		for i := range dst {
			dst[i] += z * c.bases[k].At(i, j)
		}
	}
}

// noised returns the components of alpha X + sigma Z.
func (c *components) noised(alpha, sigma float64) *components {
	out := &components{k: c.k, dim: c.dim, bases: c.bases, means: new(mat.Dense), vars: new(mat.Dense)}
	out.means.Scale(alpha, c.means)
	out.vars.Apply(func(_, _ int, v float64) float64 { return alpha*alpha*v + sigma*sigma }, c.vars)
	return out
}

// only returns component k alone.
func (c *components) only(k int) *components {
	_, n := c.vars.Dims()
	out := &components{k: 1, dim: c.dim, means: mat.DenseCopyOf(c.means.Slice(k, k+1, 0, c.dim)),
		vars: mat.DenseCopyOf(c.vars.Slice(k, k+1, 0, n))}
	if c.bases != nil {
		out.bases = c.bases[k : k+1]
	}
	return out
}

// noisy is the state that all closed forms at (x, alpha, sigma) share. T is 1 or B, and n is 1 for isotropic
// covariances or d; vectors are in the eigenbasis of their component.
type noisy struct {
	c         *components
	alpha     *Node // [T, 1, 1]
	vars      *Node // eigenvalues of the covariance of X, [1, K, n]
	precision *Node // 1 / eigenvalues of alpha^2 C_k + sigma^2 I, [T, K, n]
	residual  *Node // x - alpha mu_k, [B, K, d]
	whitened  *Node // precision times residual = minus the score of component k, [B, K, d]
}

// at evaluates the shared state; everything that depends on time alone has T rows.
func (c *components) at(x, alpha, sigma *Node) *noisy {
	_, n := c.vars.Dims()
	s := &noisy{c: c, alpha: Reshape(alpha, alpha.Shape().Dim(0), 1, 1)}
	sigma = Reshape(sigma, sigma.Shape().Dim(0), 1, 1)
	s.vars = constant(x, flat(c.vars), 1, c.k, n)
	s.precision = Reciprocal(Add(Mul(Square(s.alpha), s.vars), Square(sigma)))
	s.residual = Sub(c.toBasis(x), Mul(s.alpha, c.meansInBasis(x)))
	s.whitened = Mul(s.residual, s.precision)
	return s
}

// logProb is the log density of each component, [B, K].
func (s *noisy) logProb() *Node {
	_, n := s.c.vars.Dims()
	logDet := Mul(ReduceSum(Log(s.precision), -1), constant(s.alpha, float64(s.c.dim/n)))
	logDet = Sub(logDet, constant(s.alpha, float64(s.c.dim)*math.Log(2*math.Pi)))
	quadratic := ReduceSum(Mul(s.residual, s.whitened), -1)
	return Mul(Sub(logDet, quadratic), constant(s.alpha, 0.5))
}

// denoised is E[X | x, component k] in the eigenbasis, [B, K, d]: mu_k + alpha C_k (alpha^2 C_k + sigma^2 I)^-1 (x - alpha mu_k).
// Unlike (x + sigma^2 Score) / alpha it loses no digits at large sigma.
func (s *noisy) denoised() *Node {
	return Add(s.c.meansInBasis(s.alpha), Mul(Mul(s.alpha, s.vars), s.whitened))
}

// toBasis writes x, [B, d], in the eigenbasis of each component: [B, K, d], or [B, 1, d] if isotropic.
func (c *components) toBasis(x *Node) *Node {
	batch := x.Shape().Dim(0)
	if c.bases == nil {
		return Reshape(x, batch, 1, c.dim)
	}
	basis := mat.NewDense(c.dim, c.k*c.dim, nil)
	for k, u := range c.bases {
		basis.Slice(0, c.dim, k*c.dim, (k+1)*c.dim).(*mat.Dense).Copy(u)
	}
	return Reshape(Dot(x, constant(x, flat(basis), c.dim, c.k*c.dim)).Product(), batch, c.k, c.dim)
}

// sumFromBasis turns vectors in the eigenbases, [B, K, d], back and sums them over the components: [B, d].
func (c *components) sumFromBasis(v *Node) *Node {
	if c.bases == nil {
		return ReduceSum(v, 1)
	}
	basis := mat.NewDense(c.k*c.dim, c.dim, nil)
	for k, u := range c.bases {
		basis.Slice(k*c.dim, (k+1)*c.dim, 0, c.dim).(*mat.Dense).Copy(u.T())
	}
	v = Reshape(v, v.Shape().Dim(0), c.k*c.dim)
	return Dot(v, constant(v, flat(basis), c.k*c.dim, c.dim)).Product()
}

// meansInBasis is the constant [1, K, d] of means in the eigenbases, with x's graph and dtype.
func (c *components) meansInBasis(x *Node) *Node {
	if c.bases == nil {
		return constant(x, flat(c.means), 1, c.k, c.dim)
	}
	out := mat.NewDense(c.k, c.dim, nil)
	for k, u := range c.bases {
		row := out.RowView(k).(*mat.VecDense)
		row.MulVec(u.T(), c.means.RowView(k))
	}
	return constant(x, flat(out), 1, c.k, c.dim)
}

// flat copies a matrix to a row-major slice.
func flat(m *mat.Dense) []float64 {
	rows, cols := m.Dims()
	out := make([]float64, 0, rows*cols)
	for i := range rows {
		out = append(out, m.RawRowView(i)...)
	}
	return out
}
