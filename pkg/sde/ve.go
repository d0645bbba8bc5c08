package sde

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// VE is the variance-exploding process of Song et al. 2021 (eq. 9 and appendix C): no drift and
// sigma(t) = SigmaMin (SigmaMax/SigmaMin)^t, so g(t) = sigma(t) sqrt(2 ln(SigmaMax/SigmaMin)).
//
// Two kernels go with the same g. Song's has variance sigma(t)^2: it belongs to a process that starts from data already
// blurred by SigmaMin. The process that starts from clean data has variance sigma(t)^2 - SigmaMin^2. Near t = 0 the two
// differ without bound, from t = 1/2 on by less than 0.3% for usual parameters.
type VE struct {
	// SigmaMin and SigmaMax are the noise levels at t = 0 and t = 1, 0 < SigmaMin < SigmaMax.
	SigmaMin, SigmaMax float64
	// CleanStart selects the kernel variance sigma(t)^2 - SigmaMin^2.
	CleanStart bool
	// Times overrides the default span [1e-5, 1].
	Times Span
}

// NewVE returns Song's VE process, or an error unless 0 < sigmaMin < sigmaMax.
func NewVE(sigmaMin, sigmaMax float64) (VE, error) {
	p := VE{SigmaMin: sigmaMin, SigmaMax: sigmaMax}
	return p, p.Validate()
}

// Alpha is 1.
func (p VE) Alpha(t *Node) *Node { return constantLike(t, 1) }

// Sigma is sigma(t), or sqrt(sigma(t)^2 - SigmaMin^2) with CleanStart.
func (p VE) Sigma(t *Node) *Node {
	if p.CleanStart {
		return scaled(Sqrt(Expm1(scaled(t, 2*p.logRatio()))), p.SigmaMin)
	}
	return p.level(t)
}

// Drift is 0.
func (p VE) Drift(t *Node) *Node { return constantLike(t, 0) }

// Diffusion is sigma(t) sqrt(2 ln(SigmaMax/SigmaMin)) in both conventions.
func (p VE) Diffusion(t *Node) *Node { return scaled(p.level(t), math.Sqrt(2*p.logRatio())) }

// Span is Times, by default [1e-5, 1].
func (p VE) Span() Span { return p.Times.or(Span{Eps: 1e-5, T: 1}) }

// PriorStd is Sigma(T): SigmaMax for T = 1 in Song's convention.
func (p VE) PriorStd() float64 {
	growth := 2 * p.logRatio() * p.Span().T
	if p.CleanStart {
		return p.SigmaMin * math.Sqrt(math.Expm1(growth))
	}
	return p.SigmaMin * math.Exp(growth/2)
}

// String names the process and its parameters.
func (p VE) String() string {
	name := "VE"
	if p.CleanStart {
		name = "VE from clean data "
	}
	return fmt.Sprintf("%s(sigma %g..%g)", name, p.SigmaMin, p.SigmaMax)
}

// Validate reports parameters outside 0 < SigmaMin < SigmaMax < inf and unusable times.
func (p VE) Validate() error {
	if !(p.SigmaMin > 0 && p.SigmaMax > p.SigmaMin && finite(p.SigmaMax)) {
		return fmt.Errorf("VE: want 0 < SigmaMin < SigmaMax < inf, got SigmaMin %g, SigmaMax %g", p.SigmaMin, p.SigmaMax)
	}
	return p.Span().validate("VE")
}

func (p VE) logRatio() float64 { return math.Log(p.SigmaMax / p.SigmaMin) }

// level is the noise level sigma(t) that also sets g, whatever the convention of the kernel.
func (p VE) level(t *Node) *Node { return scaled(Exp(scaled(t, p.logRatio())), p.SigmaMin) }
