package sde

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// DefaultOffset is the s of Nichol & Dhariwal 2021; with DefaultMaxRate, Alpha(1) = 0.0115.
const (
	DefaultOffset  = 0.008
	DefaultMaxRate = 100
)

// Cosine is the continuous form of the cosine schedule of Nichol & Dhariwal 2021 (arXiv 2102.09672, eq. 17): the
// variance-preserving process with Alpha(t) = cos(u(t))/cos(u(0)), u(t) = pi/2 (t + Offset)/(1 + Offset).
// Its rate b = -2 f = g^2 diverges at t = 1. As the paper clips the steps of its chain, b is held at MaxRate from the
// time where it reaches it; Alpha and Sigma are the exact kernel of that clipped rate.
type Cosine struct {
	// Offset is the s of the paper, 0 < Offset < 1; MaxRate the largest rate b, above b(0).
	Offset, MaxRate float64
	// Times overrides the default span [1e-3, 1].
	Times Span
}

// NewCosine returns a cosine process, or an error unless 0 < offset < 1 and maxRate exceeds the rate at t = 0.
func NewCosine(offset, maxRate float64) (Cosine, error) {
	p := Cosine{Offset: offset, MaxRate: maxRate}
	return p, p.Validate()
}

// Alpha is the cosine up to the clipping time, then decays at the rate MaxRate/2.
func (p Cosine) Alpha(t *Node) *Node {
	before, after := p.split(t)
	return Mul(p.alpha(before), Exp(scaled(after, -p.MaxRate/2)))
}

// Sigma is sqrt(1 - Alpha^2).
func (p Cosine) Sigma(t *Node) *Node {
	before, after := p.split(t)
	// 1 - alpha^2 by cos(a)^2 - cos(b)^2 = sin(b - a) sin(b + a), which does not cancel near t = 0.
	angle := scaled(before, p.speed())
	variance := Mul(Sin(angle), Sin(shifted(angle, 2*p.start())))
	cos := math.Cos(p.start())
	variance = scaled(variance, 1/(cos*cos))
	return Sqrt(Add(variance, Mul(Square(p.alpha(before)), oneMinusExpNeg(scaled(after, p.MaxRate)))))
}

// Drift is -b(t)/2.
func (p Cosine) Drift(t *Node) *Node { return scaled(p.rate(t), -0.5) }

// Diffusion is sqrt(b(t)).
func (p Cosine) Diffusion(t *Node) *Node { return Sqrt(p.rate(t)) }

// Span is Times, by default [1e-3, 1].
func (p Cosine) Span() Span { return p.Times.or(Span{Eps: 1e-3, T: 1}) }

// PriorStd is 1.
func (p Cosine) PriorStd() float64 { return 1 }

// String names the process and its parameters.
func (p Cosine) String() string {
	return fmt.Sprintf("cosine(offset %g, rate <= %g)", p.Offset, p.MaxRate)
}

// Validate reports parameters outside 0 < Offset < 1 and b(0) < MaxRate < inf, and unusable times.
func (p Cosine) Validate() error {
	if !(p.Offset > 0 && p.Offset < 1) {
		return fmt.Errorf("cosine: want 0 < Offset < 1, got %g", p.Offset)
	}
	if first := 2 * p.speed() * math.Tan(p.start()); !(p.MaxRate > first) || !finite(p.MaxRate) {
		return fmt.Errorf("cosine: want MaxRate finite and above the rate %.4g at t = 0, got %g", first, p.MaxRate)
	}
	return p.Span().validate("cosine")
}

// speed is du/dt and start is u(0).
func (p Cosine) speed() float64 { return math.Pi / 2 / (1 + p.Offset) }
func (p Cosine) start() float64 { return p.speed() * p.Offset }

// clipTime is where the rate 2 u' tan(u) reaches MaxRate.
func (p Cosine) clipTime() float64 {
	return 1 - math.Atan(2*p.speed()/p.MaxRate)/p.speed()
}

// split divides t into the time spent before and after the clipping time.
func (p Cosine) split(t *Node) (before, after *Node) {
	clip := p.clipTime()
	return Min(t, ConstAs(t, clip)), nonNegative(shifted(t, -clip))
}

// rest is pi/2 - u(t): near t = 1 the cosine of u is the sine of this small angle, without loss of digits.
func (p Cosine) rest(t *Node) *Node { return scaled(shifted(Neg(t), 1), p.speed()) }

// alpha is the unclipped cosine.
func (p Cosine) alpha(t *Node) *Node { return scaled(Sin(p.rest(t)), 1/math.Cos(p.start())) }

// rate is b(t) = min(2 u' tan(u), MaxRate).
func (p Cosine) rate(t *Node) *Node {
	before, _ := p.split(t)
	sin := Sin(shifted(scaled(before, p.speed()), p.start()))
	return scaled(Div(sin, Sin(p.rest(before))), 2*p.speed())
}
