package dist

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Linear returns the law of B X for b = B, [k, d]: rotations, projections on fewer coordinates, embeddings in more.
// If B has full row rank, B X has a density wherever X has one; otherwise some variances are 0, and like a mixture of
// point masses the law has a density only once it is noised. An isotropic mixture stays isotropic if the rows of B are
// orthonormal within 1e-9. It returns an error if b is nil, empty, not finite or has other than d columns.
func (m Mixture) Linear(b mat.Matrix) (Mixture, error) {
	turn, err := copyMap(b, m.Dim())
	if err != nil {
		return Mixture{}, fmt.Errorf("dist: Linear: B %w", err)
	}
	c := m.components
	means := new(mat.Dense)
	means.Mul(c.means, turn.T())
	if err := bounded(means); err != nil {
		return Mixture{}, fmt.Errorf("dist: Linear: %w", err)
	}
	if rows, _ := turn.Dims(); c.bases == nil && orthonormalRows(turn) {
		return Mixture{&mixture{m.weights, &components{k: c.k, dim: rows, means: means, vars: c.vars}}}, nil
	}
	roots := make([]*mat.Dense, c.k)
	for k := range roots {
		roots[k] = new(mat.Dense)
		roots[k].Mul(turn, c.root(k))
	}
	image, err := fromRoots(means, roots)
	if err != nil {
		return Mixture{}, fmt.Errorf("dist: Linear: %w", err)
	}
	return Mixture{&mixture{m.weights, image}}, nil
}

// copyMap copies and checks a matrix of at least one row that acts on R^dim; errors read on from its name.
func copyMap(a mat.Matrix, dim int) (*mat.Dense, error) {
	if a == nil {
		return nil, fmt.Errorf("is nil, want a matrix [n, %d]", dim)
	}
	rows, cols := a.Dims()
	if rows == 0 || cols != dim {
		return nil, fmt.Errorf("is [%d, %d], want [n, %d] with n >= 1", rows, cols, dim)
	}
	out := mat.DenseCopyOf(a)
	for i, v := range flat(out) {
		if !finite(v) {
			return nil, fmt.Errorf("has %g in row %d, column %d, want finite numbers", v, i/cols, i%cols)
		}
	}
	return out, nil
}

// orthonormalRows tells whether b b^T is the identity within 1e-9.
func orthonormalRows(b *mat.Dense) bool {
	rows, _ := b.Dims()
	gram := mat.NewSymDense(rows, nil)
	gram.SymOuterK(1, b)
	for i := range rows {
		for j := range i + 1 {
			if want := float64(1 - min(i-j, 1)); !(math.Abs(gram.At(i, j)-want) <= 1e-9) {
				return false
			}
		}
	}
	return true
}

// root returns a square root R of the covariance of component k, C_k = R R^T, [d, d].
func (c *components) root(k int) *mat.Dense {
	_, n := c.vars.Dims()
	out := mat.NewDense(c.dim, c.dim, nil)
	out.Apply(func(i, j int, _ float64) float64 {
		std := math.Sqrt(c.vars.At(k, j%n))
		if c.bases != nil {
			return c.bases[k].At(i, j) * std
		}
		return std * float64(1-min(max(i-j, j-i), 1))
	}, out)
	return out
}

// fromRoots returns components with means [K, d] and covariances roots[k] roots[k]^T, where roots[k] has d rows. The
// singular values of a root are the standard deviations to full precision, so that a direction without variance is
// told by rounding of the root and not of its square; such a variance becomes exactly 0. Covariances that are all
// multiples of I to rounding take the isotropic path.
func fromRoots(means *mat.Dense, roots []*mat.Dense) (*components, error) {
	count, dim := means.Dims()
	c := &components{k: count, dim: dim, means: means, vars: mat.NewDense(count, dim, nil), bases: make([]*mat.Dense, count)}
	isotropic := true
	for k, root := range roots {
		svd, err := singular(root, mat.SVDFullU)
		if err != nil {
			return nil, fmt.Errorf("the root of covariance %d %w", k, err)
		}
		c.bases[k] = new(mat.Dense)
		svd.UTo(c.bases[k])
		stds := svd.Values(nil)
		if !finite(stds[0] * stds[0]) {
			return nil, fmt.Errorf("covariance %d overflows: its largest standard deviation is %g", k, stds[0])
		}
		rounding := rounding(root) * stds[0]
		for i, s := range stds {
			if s > rounding {
				c.vars.Set(k, i, s*s)
			}
		}
		isotropic = isotropic && len(stds) >= dim && stds[0]-stds[dim-1] <= 4*rounding
	}
	if isotropic {
		c.bases, c.vars = nil, mat.DenseCopyOf(c.vars.Slice(0, count, 0, 1))
	}
	return c, nil
}

// bounded returns an error if a computed mean, a row, has left the range of numbers.
func bounded(means *mat.Dense) error {
	_, d := means.Dims()
	for i, v := range flat(means) {
		if !finite(v) {
			return fmt.Errorf("mean %d overflows: its coordinate %d is %g", i/d, i%d, v)
		}
	}
	return nil
}

// singular returns the singular value decomposition of a; errors read on from its name.
func singular(a *mat.Dense, kind mat.SVDKind) (*mat.SVD, error) {
	for _, v := range flat(a) {
		if !finite(v) {
			return nil, errors.New("overflows")
		}
	}
	var svd mat.SVD
	if !svd.Factorize(a, kind) {
		return nil, errors.New("has no singular value decomposition: the iteration did not converge")
	}
	return &svd, nil
}

// rounding is the relative error of the singular values of a: a smaller one cannot be told from 0.
func rounding(a *mat.Dense) float64 {
	rows, cols := a.Dims()
	return float64(max(rows, cols)) * 0x1p-52
}
