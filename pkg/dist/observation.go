package dist

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// observation is the event A X + noise Z = y. Exact observations are kept with rows of unit length, so that the units
// of a row do not decide whether it counts as 0.
type observation struct {
	a        *mat.Dense
	noise    float64
	y        *mat.VecDense
	logScale float64 // log density of the y that the caller gave, less that of y
}

// observe checks an observation of X on R^dim.
func observe(a mat.Matrix, noise float64, y []float64, dim int) (observation, error) {
	rows, err := copyMap(a, dim)
	if err != nil {
		return observation{}, fmt.Errorf("matrix A %w", err)
	}
	n, _ := rows.Dims()
	if len(y) != n {
		return observation{}, fmt.Errorf("y has %d values for %d rows of A", len(y), n)
	}
	for i, v := range y {
		if !finite(v) {
			return observation{}, fmt.Errorf("y has %g in row %d, want finite numbers", v, i)
		}
	}
	if !(noise >= 0) || !finite(noise) {
		return observation{}, fmt.Errorf("noise = %g, want a finite number >= 0", noise)
	}
	o := observation{a: rows, noise: noise, y: mat.NewVecDense(n, nil)}
	for i, v := range y {
		length := 1.0
		if norm := mat.Norm(rows.RowView(i), 2); noise == 0 && norm > 0 {
			length = norm
		}
		for j, v := range rows.RawRowView(i) {
			rows.Set(i, j, v/length)
		}
		o.y.SetVec(i, v/length)
		o.logScale -= math.Log(length)
	}
	if noise == 0 {
		err = o.independent()
	}
	return o, err
}

// independent returns an error if the rows of A depend on each other, so that y without noise has no density.
func (o observation) independent() error {
	svd, err := singular(o.a, mat.SVDFull)
	if err != nil {
		return fmt.Errorf("matrix A %w", err)
	}
	n, _ := o.a.Dims()
	s := svd.Values(nil)
	rank := 0
	for _, v := range s {
		if v > rounding(o.a)*s[0] {
			rank++
		}
	}
	if rank == n {
		return nil
	}
	var left mat.Dense
	svd.UTo(&left)
	var beyond mat.VecDense // the part of y that no X explains
	beyond.MulVec(left.Slice(0, n, rank, n).T(), o.y)
	if gap := mat.Norm(&beyond, 2); gap > 1e-9*mat.Norm(o.y, 2) {
		return fmt.Errorf("the observations contradict each other: no X with A X = y, the rank of A is %d of %d rows", rank, n)
	}
	return fmt.Errorf("noise = 0 and the rank of A is %d, want %d independent rows", rank, n)
}

// update conditions N(mean, root root^T), and returns the mean and a root of the posterior and the log density of y.
// With the singular values s of A root = P diag(s) Q^T, y has covariance P diag(s^2 + noise^2) P^T and the posterior
// the root: root Q diag(noise / hypot(s, noise)). This is the update in square-root form (Kaminski, Bryson and Schmidt,
// IEEE Trans. Automat. Contr. 16, 1971): no covariance is the difference of two, so none can lose its sign.
func (o observation) update(mean mat.Vector, root *mat.Dense) (*mat.VecDense, *mat.Dense, float64, error) {
	var seen mat.Dense
	seen.Mul(o.a, root)
	svd, err := singular(&seen, mat.SVDFull)
	if err != nil {
		return nil, nil, 0, fmt.Errorf("seen through A %w", err)
	}
	n, d := seen.Dims()
	s := make([]float64, max(n, d)) // 0 beyond the singular values: no variance is seen, or none is removed
	svd.Values(s[:min(n, d)])
	if o.noise == 0 && !(s[n-1] > rounding(&seen)*s[0]) {
		return nil, nil, 0, errors.New("has no variance along an observation without noise: A C A^T is singular")
	}
	var p, q mat.Dense
	svd.UTo(&p)
	svd.VTo(&q)
	var residual mat.VecDense
	residual.MulVec(o.a, mean)
	residual.SubVec(o.y, &residual)
	shift := mat.NewVecDense(d, nil)
	logProb := o.logScale - float64(n)/2*math.Log(2*math.Pi)
	for i := range n {
		h := math.Hypot(s[i], o.noise)
		z := mat.Dot(p.ColView(i), &residual) / h
		logProb -= z*z/2 + math.Log(h)
		if i < d {
			shift.SetVec(i, s[i]/h*z)
		}
	}
	var turned, after mat.Dense
	turned.Mul(root, &q)
	posterior := mat.NewVecDense(d, nil)
	posterior.MulVec(&turned, shift)
	posterior.AddVec(mean, posterior)
	after.Apply(func(_, j int, v float64) float64 {
		switch {
		case o.noise > 0:
			return v * (o.noise / math.Hypot(s[j], o.noise))
		case j < n:
			return 0
		}
		return v
	}, &turned)
	return posterior, &after, logProb, nil
}
