package sde

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// EDM is the process of Karras et al. 2022 (arXiv 2206.00364, section 3) with sigma(t) = t and no scaling: time is the
// noise level, dx = sqrt(2 t) dw.
type EDM struct {
	// Times overrides the default span [0.002, 80] of that paper's table 1.
	Times Span
}

// Alpha is 1.
func (p EDM) Alpha(t *Node) *Node { return constantLike(t, 1) }

// Sigma is t.
func (p EDM) Sigma(t *Node) *Node { return t }

// Drift is 0.
func (p EDM) Drift(t *Node) *Node { return constantLike(t, 0) }

// Diffusion is sqrt(2 t).
func (p EDM) Diffusion(t *Node) *Node { return scaled(Sqrt(t), math.Sqrt2) }

// Span is Times, by default [0.002, 80].
func (p EDM) Span() Span { return p.Times.or(Span{Eps: 0.002, T: 80}) }

// PriorStd is T, by default 80.
func (p EDM) PriorStd() float64 { return p.Span().T }

// String names the process and its parameters.
func (p EDM) String() string { return fmt.Sprintf("EDM(sigma %g..%g)", p.Span().Eps, p.Span().T) }

// Validate reports unusable times.
func (p EDM) Validate() error { return p.Span().validate("EDM") }
