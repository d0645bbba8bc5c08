package sde

import (
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
)

// DDPM is the chain of Ho et al. (2020, arXiv 2006.11239) as a process in continuous time: the variance-preserving
// process whose rate b is constant on each of N steps of length 1/N,
//
//	b(t) = -N ln(1 - beta_i)  for (i-1)/N < t <= i/N.
//
// At t = i/N it has the kernel of the chain, Alpha^2 = alpha_i = product of the 1 - beta_j, j <= i, to rounding, and its
// exact transitions between those times are the steps of the chain. The span starts at 1/N, the first level. Make it by
// NewDDPM; two values are equal (==) if they come from one call.
type DDPM struct{ steps *steps }

// steps is the integral of b at the ends i/N of the steps, i = 0..N, and what each adds to it.
type steps struct{ beta, integral, growth []float64 }

// NewDDPM returns the process of the steps beta_1..beta_N, or an error that names the step unless all lie in (0, 1). N
// is at least 2, since a single level leaves no span of times.
func NewDDPM(betas []float64) (DDPM, error) {
	if len(betas) < 2 {
		return DDPM{}, fmt.Errorf("sde: DDPM: want at least 2 steps, got %d", len(betas))
	}
	s := &steps{integral: []float64{0}}
	for i, beta := range betas {
		if !(beta > 0 && beta < 1) {
			return DDPM{}, fmt.Errorf("sde: DDPM: beta_%d of %d is %g, want 0 < beta < 1", i+1, len(betas), beta)
		}
		growth := -math.Log1p(-beta)
		s.beta, s.growth = append(s.beta, beta), append(s.growth, growth)
		s.integral = append(s.integral, s.integral[i]+growth)
	}
	return DDPM{s}, nil
}

// LinearBetas are n >= 2 equally spaced betas from first to last; Ho et al. use 1000 from 1e-4 to 0.02, whose process is
// within O(1/n) of VP with beta 0.1..20.
func LinearBetas(n int, first, last float64) []float64 {
	betas := make([]float64, n)
	for i := range betas {
		betas[i] = first + (last-first)*float64(i)/float64(n-1)
	}
	return betas
}

// N is the number of steps.
func (p DDPM) N() int { return len(p.steps.beta) }

// Alpha is the square root of the product of the 1 - beta, exp(-B(t)/2) between the ends of steps.
func (p DDPM) Alpha(t *Node) *Node { return Exp(scaled(p.integral(t), -0.5)) }

// Sigma is sqrt(1 - Alpha^2).
func (p DDPM) Sigma(t *Node) *Node { return Sqrt(oneMinusExpNeg(p.integral(t))) }

// Drift is -b(t)/2.
func (p DDPM) Drift(t *Node) *Node { return scaled(p.rate(t), -0.5) }

// Diffusion is sqrt(b(t)).
func (p DDPM) Diffusion(t *Node) *Node { return Sqrt(p.rate(t)) }

// Span is [1/N, 1], from the first level to the last.
func (p DDPM) Span() Span { return Span{Eps: 1 / float64(p.N()), T: 1} }

// PriorStd is 1.
func (p DDPM) PriorStd() float64 { return 1 }

// String names the number of steps and the first and last of them.
func (p DDPM) String() string {
	if p.steps == nil {
		return "DDPM without steps"
	}
	return fmt.Sprintf("DDPM(%d steps, beta %g..%g)", p.N(), p.steps.beta[0], p.steps.beta[p.N()-1])
}

// Validate refuses a value that NewDDPM did not make.
func (p DDPM) Validate() error {
	if p.steps == nil {
		return fmt.Errorf("%s: make it by NewDDPM", p)
	}
	return nil
}

// Chain is the chain itself; its Gap to the process is rounding.
func (p DDPM) Chain() Chain {
	c := newChain(p, p.N())
	c.setBetas(p.steps.beta)
	return c
}

// integral is B(t), linear within each step.
func (p DDPM) integral(t *Node) *Node {
	position, step := p.position(t)
	part := Sub(position, ConvertDType(step, t.DType()))
	return Add(at(p.steps.integral, t, step), Mul(part, at(p.steps.growth, t, step)))
}

// rate is b(t).
func (p DDPM) rate(t *Node) *Node {
	_, step := p.position(t)
	return scaled(at(p.steps.growth, t, step), float64(p.N()))
}

// belongs is how far beyond its end a step still reaches, relative to t: above the rounding of float32 times, so that
// i/N belongs to step i in every precision, and below what changes B there visibly.
const belongs = 1e-6

// position is t in units of steps and the int32 number, from 0, of the step that t lies in.
func (p DDPM) position(t *Node) (position, step *Node) {
	position = scaled(t, float64(p.N()))
	step = ConvertDType(shifted(StopGradient(Ceil(scaled(position, 1-belongs))), -1), dtypes.Int32)
	last := Const(t.Graph(), int32(p.N()-1))
	return position, Min(Max(step, ZerosLike(step)), Mul(OnesLike(step), last))
}

// at looks up values[index] as numbers of t's type.
func at(values []float64, t, index *Node) *Node {
	return Gather(ConstAs(t, values), InsertAxes(index, -1))
}
