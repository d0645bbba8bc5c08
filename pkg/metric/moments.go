package metric

import "gonum.org/v1/gonum/mat"

// Moments are the sample mean and covariance with their standard errors.
type Moments struct {
	N      int
	Mean   []float64     // [d]
	MeanSE []float64     // [d]
	Cov    *mat.SymDense // [d, d], unbiased (divided by n-1)
	CovSE  *mat.SymDense // [d, d], standard error of each entry, free of any assumption on the law
}

// MomentsOf returns the moments of x [n, d], n >= 2. The standard error of a covariance entry is that of the mean of
// the products (x_i - mean_i)(x_j - mean_j). Time O(n d^2).
func MomentsOf(x mat.Matrix) (Moments, error) {
	data, n, d, err := rows("x", x, 2)
	if err != nil {
		return Moments{}, err
	}
	m := Moments{N: n, Mean: make([]float64, d), MeanSE: make([]float64, d), Cov: mat.NewSymDense(d, nil), CovSE: mat.NewSymDense(d, nil)}
	column := func(j int) []float64 {
		c := make([]float64, n)
		for i := range c {
			c[i] = data[i*d+j]
		}
		return c
	}
	centred := make([][]float64, d)
	for j := range d {
		c := column(j)
		m.Mean[j] = total(c) / float64(n)
		m.MeanSE[j] = meanSE(c)
		for i := range c {
			c[i] -= m.Mean[j]
		}
		centred[j] = c
	}
	product := make([]float64, n)
	for j := range d {
		for k := j; k < d; k++ {
			for i := range product {
				product[i] = centred[j][i] * centred[k][i]
			}
			m.Cov.SetSym(j, k, total(product)/float64(n-1))
			m.CovSE.SetSym(j, k, meanSE(product))
		}
	}
	return m, nil
}
