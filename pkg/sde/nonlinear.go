package sde

import (
	"errors"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
)

// Nonlinear is a forward process whose drift need not be affine:
//
//	dx = F(x, t) dt + G(t) dw,   x_0 data, t from 0 to Times.T.
//
// Its kernel p(x_t | x_0) has no closed form in general, so it is no SDE in the sense of this package: what noises data
// with it simulates it, and what learns its score needs an objective without a kernel (Song et al. 2021, section 3.3).
type Nonlinear struct {
	Name  string                 // names the process with all its parameters: processes of one name are taken for the same
	F     func(x, t *Node) *Node // drift, [B, d] as x, for times t [B] or [1]
	G     func(t *Node) *Node    // diffusion >= 0, of the shape of t
	Times Span                   // Eps > 0: where scores are learned and sampled, as in every Span
}

// Span returns Times.
func (p Nonlinear) Span() Span { return p.Times }

// String returns the name.
func (p Nonlinear) String() string { return p.Name }

// Validate reports missing parts and unusable times.
func (p Nonlinear) Validate() error {
	switch {
	case p.Name == "":
		return errors.New("sde: Nonlinear.Name is empty, want a name with all parameters")
	case p.F == nil || p.G == nil:
		return fmt.Errorf("sde: %s: want functions F and G, got nil", p)
	}
	if err := p.Times.validate(p.Name); err != nil {
		return fmt.Errorf("sde: %w", err)
	}
	return nil
}

// Affine is s written as a Nonlinear process: what is simulated can then be compared with what is known.
func Affine(s SDE) Nonlinear {
	return Nonlinear{
		Name:  s.String(),
		F:     func(x, t *Node) *Node { return Times(s.Drift(t), x) },
		G:     s.Diffusion,
		Times: s.Span(),
	}
}

// Step moves x [B, d] from time t to t + dt, both [B] or [1], driven by the standard normal z [B, d]: the stochastic Heun
// scheme
//
//	y = x + F(x, t) dt + w,  next = x + (F(x, t) + F(y, t+dt)) dt/2 + w,  w = z sqrt(dt (G(t)^2 + G(t+dt)^2)/2),
//
// of weak order 2, since the noise does not depend on x (Kloeden and Platen 1992, section 14.2).
func (p Nonlinear) Step(x, t, dt, z *Node) *Node {
	end, h := Add(t, dt), Like(dt, x)
	power := scaled(Add(Square(p.G(t)), Square(p.G(end))), 0.5)
	noise := Times(Sqrt(Mul(dt, power)), z)
	slope := p.Slope(x, t)
	ahead := p.Slope(Add(Add(x, Mul(h, slope)), noise), end)
	return Add(Add(x, Mul(scaled(h, 0.5), Add(slope, ahead))), noise)
}

// Slope is F(x, t). It panics if that has not the shape of x, which broadcasting would hide.
func (p Nonlinear) Slope(x, t *Node) *Node {
	slope := p.F(x, t)
	if !slope.Shape().Equal(x.Shape()) {
		panic(fmt.Errorf("sde: %s: F returned %s for x %s, want the same shape", p, slope.Shape(), x.Shape()))
	}
	return slope
}
