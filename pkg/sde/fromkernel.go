package sde

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// GoMLX has no derivative for Expm1, which kernels need to be accurate near t = 0.
func init() {
	if _, ok := VJPRegistration[NodeTypeExpm1]; ok {
		return
	}
	VJPRegistration[NodeTypeExpm1] = func(node *Node, vjps []*Node, _ shapes.Shape) []*Node {
		return []*Node{Mul(vjps[0], shifted(node, 1))}
	}
}

// FromKernel builds the process whose kernel is x_t | x_0 ~ N(alpha(t) x_0, sigma(t)^2 I) by automatic differentiation:
//
//	f = alpha'/alpha,  g^2 = alpha^2 d/dt (sigma^2/alpha^2) = d/dt sigma^2 - 2 f sigma^2
//
// (Särkkä & Solin 2019, section 6.1). alpha and sigma act elementwise on times of any shape, are positive inside the
// span, and sigma/alpha must not decrease; where rounding makes g^2 negative, g is 0. The derivative of sigma must be
// finite, so a span that starts at 0 does not suit a sigma that grows like the square root of t.
//
// The derivatives contain sums over the batch. On XLA an executable that calls Drift or Diffusion inside the body of a
// While loop must therefore hold no sum outside of it, and on the Go backend they do not work inside a loop body at
// all. The processes with closed forms have neither restriction.
func FromKernel(name string, alpha, sigma func(t *Node) *Node, span Span, priorStd float64) SDE {
	return fromKernel{name, alpha, sigma, span, priorStd}
}

type fromKernel struct {
	name         string
	alpha, sigma func(t *Node) *Node
	span         Span
	priorStd     float64
}

func (p fromKernel) Alpha(t *Node) *Node { return p.alpha(t) }
func (p fromKernel) Sigma(t *Node) *Node { return p.sigma(t) }

func (p fromKernel) Drift(t *Node) *Node {
	alpha := p.alpha(t)
	return Div(derivative(alpha, t), alpha)
}

func (p fromKernel) Diffusion(t *Node) *Node {
	sigma := p.sigma(t)
	growth := Sub(derivative(sigma, t), Mul(p.Drift(t), sigma))
	return Sqrt(nonNegative(scaled(Mul(sigma, growth), 2)))
}

func (p fromKernel) Span() Span        { return p.span }
func (p fromKernel) PriorStd() float64 { return p.priorStd }
func (p fromKernel) String() string    { return p.name }

func (p fromKernel) Validate() error {
	if p.alpha == nil || p.sigma == nil {
		return fmt.Errorf("%s: want alpha and sigma, got nil", p.name)
	}
	return p.span.validate(p.name)
}

// derivative is dy/dt of y that depends elementwise on t, in the shape of t.
func derivative(y, t *Node) *Node { return Gradient(ReduceAllSum(y), t)[0] }
