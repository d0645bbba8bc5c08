package linear

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Kernel is the Gaussian law of x_t given x_s: mean Psi x_s + Shift, covariance P.
type Kernel struct {
	Psi   *mat.Dense // [d, d]
	Shift []float64  // [d]
	P     *mat.Dense // [d, d], symmetric positive semi-definite
}

// Kernel returns the law of x_t given x_s, s <= t. Relative errors are about 1e-12. It returns an error when t < s or
// a time is not finite, when a coefficient has a wrong shape, and when the integration fails (a coefficient that is not
// finite or not integrable).
func (s SDE) Kernel(t, from float64) (Kernel, error) {
	if err := checkTimes(t, from); err != nil {
		return Kernel{}, err
	}
	if t < from {
		return Kernel{}, fmt.Errorf("linear: kernel: want t >= s, got t %g, s %g", t, from)
	}
	start, err := s.at(from)
	if err != nil {
		return Kernel{}, err
	}
	if s.constant {
		return start.kernel(t - from), nil
	}
	d := len(start.u)
	y := make([]float64, 2*d*d+d)
	copy(y, identity(d))
	if err := integrate(s.slope(d), y, from, t, []int{d * d, d, d * d}); err != nil {
		return Kernel{}, err
	}
	return Kernel{
		Psi: mat.NewDense(d, d, y[:d*d]), Shift: y[d*d : d*d+d], P: symmetric(mat.NewDense(d, d, y[d*d+d:])),
	}, nil
}

// TransitionMatrix returns Psi(t, s): the solution of dPsi/dt = F(t) Psi with Psi(s, s) = I, forwards or backwards in
// time. The errors are those of Kernel.
func (s SDE) TransitionMatrix(t, from float64) (*mat.Dense, error) {
	if err := checkTimes(t, from); err != nil {
		return nil, err
	}
	start, err := s.at(from)
	if err != nil {
		return nil, err
	}
	d := len(start.u)
	if s.constant {
		var psi mat.Dense
		start.f.Scale(t-from, start.f)
		psi.Exp(start.f)
		return &psi, nil
	}
	y := identity(d)
	slope := func(at float64, y, dy []float64) error {
		c, err := s.at(at)
		if err == nil {
			mat.NewDense(d, d, dy).Mul(c.f, mat.NewDense(d, d, y))
		}
		return err
	}
	if err := integrate(slope, y, from, t, []int{d * d}); err != nil {
		return nil, err
	}
	return mat.NewDense(d, d, y), nil
}

// Compose returns the kernel of k first, then next: the Chapman-Kolmogorov equation.
func (k Kernel) Compose(next Kernel) Kernel {
	var psi, carried, p mat.Dense
	psi.Mul(next.Psi, k.Psi)
	carried.Mul(next.Psi, k.P)
	p.Mul(&carried, next.Psi.T())
	p.Add(&p, next.P)
	shift := mat.NewVecDense(len(k.Shift), nil)
	shift.MulVec(next.Psi, mat.NewVecDense(len(k.Shift), k.Shift))
	shift.AddVec(shift, mat.NewVecDense(len(next.Shift), next.Shift))
	return Kernel{Psi: &psi, Shift: shift.RawVector().Data, P: symmetric(&p)}
}

// kernel is the transition over a duration with constant coefficients. Van Loan's exponential contains exp(-F'h), which
// overflows for long times, so a short step is doubled.
func (c coefficients) kernel(duration float64) Kernel {
	halvings := 0
	for size := mat.Norm(c.f, 1) * duration; size > 1; size /= 2 {
		halvings++
	}
	k := c.shortKernel(math.Ldexp(duration, -halvings))
	for range halvings {
		k = k.Compose(k)
	}
	return k
}

// shortKernel is Van Loan's method (1978): with noise = L Q L',
//
//	exp([[F, noise], [0, -F']] h) = [[Psi, P Psi^-T], [0, Psi^-T]],  exp([[F, u], [0, 0]] h) = [[Psi, shift], [0, 1]].
func (c coefficients) shortKernel(h float64) Kernel {
	d := len(c.u)
	both := mat.NewDense(2*d, 2*d, nil)
	both.Slice(0, d, 0, d).(*mat.Dense).Scale(h, c.f)
	both.Slice(0, d, d, 2*d).(*mat.Dense).Scale(h, c.noise)
	both.Slice(d, 2*d, d, 2*d).(*mat.Dense).Scale(-h, c.f.T())
	both.Exp(both)
	withInput := mat.NewDense(d+1, d+1, nil)
	withInput.Slice(0, d, 0, d).(*mat.Dense).Scale(h, c.f)
	for i, u := range c.u {
		withInput.Set(i, d, u*h)
	}
	withInput.Exp(withInput)
	k := Kernel{Psi: mat.DenseCopyOf(withInput.Slice(0, d, 0, d)), Shift: mat.Col(nil, d, withInput)[:d]}
	var p mat.Dense
	p.Mul(both.Slice(0, d, d, 2*d), k.Psi.T())
	k.P = symmetric(&p)
	return k
}

// slope is the right-hand side for the stacked state Psi, m, P.
func (s SDE) slope(d int) func(t float64, y, dy []float64) error {
	return func(t float64, y, dy []float64) error {
		c, err := s.at(t)
		if err != nil {
			return err
		}
		if len(c.u) != d {
			return fmt.Errorf("linear: F(%g): want %dx%d as at the start, got %dx%d", t, d, d, len(c.u), len(c.u))
		}
		psi, p := mat.NewDense(d, d, y[:d*d]), mat.NewDense(d, d, y[d*d+d:])
		mat.NewDense(d, d, dy[:d*d]).Mul(c.f, psi)
		dm := mat.NewVecDense(d, dy[d*d:d*d+d])
		dm.MulVec(c.f, mat.NewVecDense(d, y[d*d:d*d+d]))
		dm.AddVec(dm, mat.NewVecDense(d, c.u))
		dp := mat.NewDense(d, d, dy[d*d+d:])
		var fp mat.Dense
		fp.Mul(c.f, p)
		dp.Add(&fp, fp.T())
		dp.Add(dp, c.noise)
		return nil
	}
}

func checkTimes(times ...float64) error {
	for _, t := range times {
		if math.IsNaN(t) || math.IsInf(t, 0) {
			return fmt.Errorf("linear: want finite times, got %g", t)
		}
	}
	return nil
}

// identity is the identity matrix in row-major order.
func identity(d int) []float64 {
	y := make([]float64, d*d)
	for i := range d {
		y[i*d+i] = 1
	}
	return y
}

// symmetric removes the rounding errors that make p asymmetric, in place.
func symmetric(p *mat.Dense) *mat.Dense {
	d, _ := p.Dims()
	for i := range d {
		for j := range i {
			mean := (p.At(i, j) + p.At(j, i)) / 2
			p.Set(i, j, mean)
			p.Set(j, i, mean)
		}
	}
	return p
}
