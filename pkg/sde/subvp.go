package sde

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
)

// SubVP is the sub-VP process (Song et al. 2021, eq. 12): the drift of VP with g(t)^2 = b(t) (1 - exp(-2 B(t))).
// Its kernel variance (1 - exp(-B))^2 never exceeds that of VP.
type SubVP struct {
	// BetaMin and BetaMax are b(0) and b(1), 0 <= BetaMin <= BetaMax, BetaMax > 0.
	BetaMin, BetaMax float64
	// Times overrides the default span [1e-3, 1].
	Times Span
}

// NewSubVP returns a sub-VP process, or an error unless 0 <= betaMin <= betaMax, betaMax > 0.
func NewSubVP(betaMin, betaMax float64) (SubVP, error) {
	p := SubVP{BetaMin: betaMin, BetaMax: betaMax}
	return p, p.Validate()
}

// Alpha is exp(-B(t)/2).
func (p SubVP) Alpha(t *Node) *Node { return Exp(scaled(p.rate().integral(t), -0.5)) }

// Sigma is 1 - exp(-B(t)): the standard deviation, not the variance.
func (p SubVP) Sigma(t *Node) *Node { return oneMinusExpNeg(p.rate().integral(t)) }

// Drift is -b(t)/2.
func (p SubVP) Drift(t *Node) *Node { return scaled(p.rate().at(t), -0.5) }

// Diffusion is sqrt(b(t) (1 - exp(-2 B(t)))). The sign of the exponent matters: with +2B, as printed in some texts,
// g^2 would be negative.
func (p SubVP) Diffusion(t *Node) *Node {
	return Sqrt(Mul(p.rate().at(t), oneMinusExpNeg(scaled(p.rate().integral(t), 2))))
}

// Span is Times, by default [1e-3, 1].
func (p SubVP) Span() Span { return p.Times.or(Span{Eps: 1e-3, T: 1}) }

// PriorStd is 1.
func (p SubVP) PriorStd() float64 { return 1 }

// String names the process and its parameters.
func (p SubVP) String() string { return fmt.Sprintf("sub-VP(beta %g..%g)", p.BetaMin, p.BetaMax) }

// Validate reports rates outside 0 <= BetaMin <= BetaMax < inf, BetaMax > 0, and unusable times.
func (p SubVP) Validate() error {
	if err := validateRate("sub-VP", p.BetaMin, p.BetaMax); err != nil {
		return err
	}
	return p.Span().validate("sub-VP")
}

func (p SubVP) rate() linearRate { return linearRate{p.BetaMin, p.BetaMax - p.BetaMin} }
