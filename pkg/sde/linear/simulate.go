package linear

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// Simulate draws one Euler-Maruyama path per row of x, shape [n, d], from time s to t > s in equal steps, and returns
// the end points [n, d]; x is not changed. The error in law is of the first order in the step. It returns an error for
// steps < 1, times that are not finite or not ordered, wrong shapes, and a noise covariance that is not positive
// semi-definite.
func (s SDE) Simulate(x *mat.Dense, from, t float64, steps int, rng *rand.Rand) (*mat.Dense, error) {
	if err := checkTimes(from, t); err != nil {
		return nil, err
	}
	if steps < 1 || t <= from {
		return nil, fmt.Errorf("linear: simulate: want s < t and at least 1 step, got s %g, t %g, %d steps", from, t, steps)
	}
	n, d := x.Dims()
	dt := (t - from) / float64(steps)
	state, noise, move := mat.DenseCopyOf(x), mat.NewDense(n, d, nil), mat.NewDense(n, d, nil)
	for i := range steps {
		c, err := s.at(from + dt*float64(i))
		if err != nil {
			return nil, err
		}
		if len(c.u) != d {
			return nil, fmt.Errorf("linear: simulate: want points of dimension %d, got %d", len(c.u), d)
		}
		root, err := squareRoot(c.noise)
		if err != nil {
			return nil, err
		}
		root.Scale(math.Sqrt(dt), root)
		fill(noise, rng)
		c.f.Scale(dt, c.f)
		move.Mul(state, c.f.T())
		state.Add(state, move)
		move.Mul(noise, root) // the root is symmetric
		state.Add(state, move)
		for r := range n {
			axpy(dt, c.u, state.RawRowView(r))
		}
	}
	return state, nil
}

// fill sets every entry to an independent standard normal.
func fill(x *mat.Dense, rng *rand.Rand) {
	data := x.RawMatrix().Data
	for i := range data {
		data[i] = rng.NormFloat64()
	}
}

// squareRoot is the symmetric square root of a covariance, which may be singular.
func squareRoot(cov *mat.Dense) (*mat.Dense, error) {
	d, _ := cov.Dims()
	sym := mat.NewSymDense(d, nil)
	for i := range d {
		for j := i; j < d; j++ {
			sym.SetSym(i, j, (cov.At(i, j)+cov.At(j, i))/2)
		}
	}
	var eigen mat.EigenSym
	if !eigen.Factorize(sym, true) {
		return nil, fmt.Errorf("linear: simulate: L Q L' has no eigenvalues; want a finite covariance")
	}
	values := eigen.Values(nil)
	largest := math.Abs(values[d-1])
	roots := mat.NewDiagDense(d, nil)
	for i, v := range values {
		if v < -1e-12*largest {
			return nil, fmt.Errorf("linear: simulate: L Q L': want a positive semi-definite covariance, got eigenvalue %g", v)
		}
		roots.SetDiag(i, math.Sqrt(max(v, 0)))
	}
	var vectors, half, root mat.Dense
	eigen.VectorsTo(&vectors)
	half.Mul(&vectors, roots)
	root.Mul(&half, vectors.T())
	return &root, nil
}
