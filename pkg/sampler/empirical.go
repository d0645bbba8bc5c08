package sampler

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// Empirical is the law that puts weight 1/n on each of its points.
type Empirical struct {
	Points *mat.Dense // [n, d]
}

// Mean returns the mean of each coordinate.
func (e Empirical) Mean() []float64 {
	n, d := e.Points.Dims()
	mean := make([]float64, d)
	for k := range mean {
		mean[k] = mat.Sum(e.Points.ColView(k)) / float64(n)
	}
	return mean
}

// Cov returns the covariance matrix [d, d], with divisor n-1.
func (e Empirical) Cov() *mat.SymDense {
	var cov mat.SymDense
	stat.CovarianceMatrix(&cov, e.Points, nil)
	return &cov
}

// Sample draws n points with replacement.
func (e Empirical) Sample(rng *rand.Rand, n int) *mat.Dense {
	size, d := e.Points.Dims()
	x := mat.NewDense(n, d, nil)
	for i := range n {
		x.SetRow(i, e.Points.RawRowView(rng.IntN(size)))
	}
	return x
}
