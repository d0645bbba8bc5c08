package sde

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// OU is the Ornstein-Uhlenbeck process with stationary law N(0, I): dx = -Rate x dt + sqrt(2 Rate) dw, so
// Alpha = exp(-Rate t) and Sigma^2 = 1 - exp(-2 Rate t). Two conventions are common, Rate 1 (OU1) and 1/2 (OUHalf).
type OU struct {
	// Rate is the speed of mean reversion, in 1/time, > 0.
	Rate float64
	// Times overrides the default span [1e-3, 5/Rate], at whose end Alpha = exp(-5) = 0.0067, as for VP.
	Times Span
}

// OU1 is dx = -x dt + sqrt(2) dw.
func OU1() OU { return OU{Rate: 1} }

// OUHalf is dx = -x/2 dt + dw, the convention of neural diffusion processes (Dutordoir et al. 2023).
func OUHalf() OU { return OU{Rate: 0.5} }

// Alpha is exp(-Rate t).
func (p OU) Alpha(t *Node) *Node { return Exp(scaled(t, -p.Rate)) }

// Sigma is sqrt(1 - exp(-2 Rate t)).
func (p OU) Sigma(t *Node) *Node { return Sqrt(oneMinusExpNeg(scaled(t, 2*p.Rate))) }

// Drift is -Rate.
func (p OU) Drift(t *Node) *Node { return constantLike(t, -p.Rate) }

// Diffusion is sqrt(2 Rate).
func (p OU) Diffusion(t *Node) *Node { return constantLike(t, math.Sqrt(2*p.Rate)) }

// Span is Times, by default [1e-3, 5/Rate].
func (p OU) Span() Span { return p.Times.or(Span{Eps: 1e-3, T: 5 / p.Rate}) }

// PriorStd is 1, the stationary standard deviation.
func (p OU) PriorStd() float64 { return 1 }

// String names the process and its parameters.
func (p OU) String() string { return fmt.Sprintf("OU(rate %g)", p.Rate) }

// Validate reports a Rate that is not positive and finite, and unusable times.
func (p OU) Validate() error {
	if !(p.Rate > 0) || !finite(p.Rate) {
		return fmt.Errorf("OU: want 0 < Rate < inf, got %g", p.Rate)
	}
	return p.Span().validate("OU")
}
