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
func (p OU) Alpha(t *Node) *Node { return fixed(p).Alpha(t) }

// Sigma is sqrt(1 - exp(-2 Rate t)).
func (p OU) Sigma(t *Node) *Node { return fixed(p).Sigma(t) }

// Drift is -Rate.
func (p OU) Drift(t *Node) *Node { return fixed(p).Drift(t) }

// Diffusion is sqrt(2 Rate).
func (p OU) Diffusion(t *Node) *Node { return fixed(p).Diffusion(t) }

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

func (p OU) form() string             { return "OU" }
func (p OU) numbers() []float64       { return []float64{p.Rate, math.Sqrt(2 * p.Rate)} }
func (p OU) with(n []number) formulas { return ouFormulas{n[0], n[1]} }

// ouFormulas are those of OU, diffusion being sqrt(2 rate).
type ouFormulas struct{ rate, diffusion number }

func (f ouFormulas) Alpha(t *Node) *Node     { return Exp(f.rate.scale(t, -1)) }
func (f ouFormulas) Sigma(t *Node) *Node     { return Sqrt(oneMinusExpNeg(f.rate.scale(t, 2))) }
func (f ouFormulas) Drift(t *Node) *Node     { return f.rate.like(t, -1) }
func (f ouFormulas) Diffusion(t *Node) *Node { return f.diffusion.like(t, 1) }
