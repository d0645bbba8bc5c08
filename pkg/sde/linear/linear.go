// Package linear solves linear SDEs with matrix coefficients,
//
//	dx = (F(t) x + u(t)) dt + L(t) dw,  cov(dw) = Q dt,
//
// exactly: x_t given x_s is Gaussian with mean Psi(t,s) x_s + shift and covariance P, where
//
//	dPsi/dt = F Psi,  dm/dt = F m + u,  dP/dt = F P + P F' + L Q L'
//
// (Särkkä & Solin 2019, Applied Stochastic Differential Equations, sections 5.5 and 6.1). It works on the host in
// float64; the scalar processes of package sde are its one-dimensional special cases.
package linear

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"github.com/scoresde/scoresde/pkg/sde"
	"gonum.org/v1/gonum/mat"
)

// SDE is dx = (F(t) x + U(t)) dt + L(t) dw with x in R^d and w in R^q, cov(dw) = Q dt.
type SDE struct {
	// F is the drift matrix [d, d] and L the dispersion matrix [d, q] at time t.
	F, L func(t float64) mat.Matrix
	// U is the input [d] at time t; nil means zero.
	U func(t float64) []float64
	// Q is the diffusion matrix [q, q] of w, symmetric and positive semi-definite; nil means the identity.
	Q mat.Matrix

	constant bool // F, L and U do not depend on t: matrix exponentials replace integration
}

// Constant returns the SDE with constant coefficients: f [d, d], l [d, q], u [d] or nil, q [q, q] or nil for the
// identity. Its kernels come from matrix exponentials instead of integration.
func Constant(f, l mat.Matrix, u []float64, q mat.Matrix) SDE {
	s := SDE{
		F: func(float64) mat.Matrix { return f },
		L: func(float64) mat.Matrix { return l },
		Q: q, constant: true,
	}
	if u != nil {
		s.U = func(float64) []float64 { return u }
	}
	return s
}

// FromScalar returns the one-dimensional SDE dx = f(t) x dt + g(t) dw of a process of package sde, with its own graph
// functions evaluated on the host. It returns the error of sde.Validate, and that of those functions at the end of the
// span.
func FromScalar(s sde.SDE) (SDE, error) {
	e, err := sde.NewEvaluator(s)
	if err != nil {
		return SDE{}, err
	}
	if _, err := e.Table([]float64{s.Span().T}); err != nil {
		return SDE{}, err
	}
	var (
		mu   sync.Mutex
		last sde.Values // F and L are asked for the same time in turn
	)
	at := func(t float64) sde.Values {
		mu.Lock()
		defer mu.Unlock()
		if last.T == nil || last.T[0] != t {
			v, err := e.Table([]float64{t})
			if err != nil {
				panic(err)
			}
			last = v
		}
		return last
	}
	return SDE{
		F: func(t float64) mat.Matrix { return mat.NewDense(1, 1, at(t).Drift) },
		L: func(t float64) mat.Matrix { return mat.NewDense(1, 1, at(t).Diffusion) },
	}, nil
}

// coefficients are the values of an SDE at one time: noise is L Q L'.
type coefficients struct {
	f, noise *mat.Dense
	u        []float64
}

// at evaluates the coefficients at time t. It returns an error that names the one with a wrong shape.
func (s SDE) at(t float64) (coefficients, error) {
	if s.F == nil || s.L == nil {
		return coefficients{}, errors.New("linear: want F and L, got nil")
	}
	f, l := mat.DenseCopyOf(s.F(t)), s.L(t)
	d, columns := f.Dims()
	if d != columns {
		return coefficients{}, fmt.Errorf("linear: F(%g): want a square matrix, got %dx%d", t, d, columns)
	}
	rows, q := l.Dims()
	if rows != d {
		return coefficients{}, fmt.Errorf("linear: L(%g): want %d rows as F has, got %dx%d", t, d, rows, q)
	}
	c := coefficients{f: f, u: make([]float64, d), noise: mat.NewDense(d, d, nil)}
	if s.U != nil {
		if u := s.U(t); len(u) == d {
			copy(c.u, u)
		} else {
			return coefficients{}, fmt.Errorf("linear: U(%g): want %d values, got %d", t, d, len(u))
		}
	}
	if s.Q == nil {
		c.noise.Mul(l, l.T())
	} else {
		if r, k := s.Q.Dims(); r != q || k != q {
			return coefficients{}, fmt.Errorf("linear: Q: want %dx%d for an L of %d columns, got %dx%d", q, q, q, r, k)
		}
		var lq mat.Dense
		lq.Mul(l, s.Q)
		c.noise.Mul(&lq, l.T())
	}
	return c, c.checkFinite(t)
}

func (c coefficients) checkFinite(t float64) error {
	for _, part := range []struct {
		name   string
		values []float64
	}{{"F", c.f.RawMatrix().Data}, {"L Q L'", c.noise.RawMatrix().Data}, {"U", c.u}} {
		for _, x := range part.values {
			if math.IsNaN(x) || math.IsInf(x, 0) {
				return fmt.Errorf("linear: %s at time %g: want finite values, got %g", part.name, t, x)
			}
		}
	}
	return nil
}
