package sde

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// DefaultBetaMin and DefaultBetaMax are the rates of Song et al. 2021 (appendix C) for VP and sub-VP. With them
// Alpha(1) = 0.0066; BetaMax = 10, found in some texts, leaves Alpha(1) = 0.0801.
const (
	DefaultBetaMin = 0.1
	DefaultBetaMax = 20
)

// VP is the variance-preserving process (Song et al. 2021, eq. 11): dx = -b(t)/2 x dt + sqrt(b(t)) dw with
// b(t) = BetaMin + t (BetaMax - BetaMin) and B(t) = integral of b from 0 to t.
type VP struct {
	// BetaMin and BetaMax are b(0) and b(1), 0 <= BetaMin <= BetaMax, BetaMax > 0.
	BetaMin, BetaMax float64
	// Times overrides the default span [1e-3, 1].
	Times Span
}

// NewVP returns a VP process, or an error unless 0 <= betaMin <= betaMax, betaMax > 0.
func NewVP(betaMin, betaMax float64) (VP, error) {
	p := VP{BetaMin: betaMin, BetaMax: betaMax}
	return p, p.Validate()
}

// Alpha is exp(-B(t)/2).
func (p VP) Alpha(t *Node) *Node { return Exp(scaled(p.rate().integral(t), -0.5)) }

// Sigma is sqrt(1 - exp(-B(t))).
func (p VP) Sigma(t *Node) *Node { return Sqrt(oneMinusExpNeg(p.rate().integral(t))) }

// Drift is -b(t)/2.
func (p VP) Drift(t *Node) *Node { return scaled(p.rate().at(t), -0.5) }

// Diffusion is sqrt(b(t)).
func (p VP) Diffusion(t *Node) *Node { return Sqrt(p.rate().at(t)) }

// Span is Times, by default [1e-3, 1].
func (p VP) Span() Span { return p.Times.or(Span{Eps: 1e-3, T: 1}) }

// PriorStd is 1.
func (p VP) PriorStd() float64 { return 1 }

// String names the process and its parameters.
func (p VP) String() string { return fmt.Sprintf("VP(beta %g..%g)", p.BetaMin, p.BetaMax) }

// Validate reports rates outside 0 <= BetaMin <= BetaMax < inf, BetaMax > 0, and unusable times.
func (p VP) Validate() error {
	if err := validateRate("VP", p.BetaMin, p.BetaMax); err != nil {
		return err
	}
	return p.Span().validate("VP")
}

func (p VP) rate() linearRate { return linearRate{p.BetaMin, p.BetaMax - p.BetaMin} }

// linearRate is b(t) = min + t rise, the noise rate that VP and sub-VP share.
type linearRate struct{ min, rise float64 }

func (r linearRate) at(t *Node) *Node { return shifted(scaled(t, r.rise), r.min) }

// integral is B(t) = min t + rise t^2 / 2.
func (r linearRate) integral(t *Node) *Node { return Mul(t, shifted(scaled(t, r.rise/2), r.min)) }

func validateRate(name string, min, max float64) error {
	if !(min >= 0 && max >= min && max > 0) || math.IsInf(max, 0) {
		return fmt.Errorf("%s: want 0 <= BetaMin <= BetaMax < inf and BetaMax > 0, got BetaMin %g, BetaMax %g", name, min, max)
	}
	return nil
}
