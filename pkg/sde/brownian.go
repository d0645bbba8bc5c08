package sde

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// Brownian is the variance-exploding process with variance t: dx = dw. (Some texts pair the variance t with g = 2t;
// that g^2 belongs to EDM, whose standard deviation is t.)
type Brownian struct {
	// Times overrides the default span [1e-5, 1].
	Times Span
}

// Alpha is 1.
func (p Brownian) Alpha(t *Node) *Node { return constantLike(t, 1) }

// Sigma is sqrt(t).
func (p Brownian) Sigma(t *Node) *Node { return Sqrt(t) }

// Drift is 0.
func (p Brownian) Drift(t *Node) *Node { return constantLike(t, 0) }

// Diffusion is 1.
func (p Brownian) Diffusion(t *Node) *Node { return constantLike(t, 1) }

// Span is Times, by default [1e-5, 1].
func (p Brownian) Span() Span { return p.Times.or(Span{Eps: 1e-5, T: 1}) }

// PriorStd is sqrt(T).
func (p Brownian) PriorStd() float64 { return math.Sqrt(p.Span().T) }

// String names the process and its end.
func (p Brownian) String() string { return fmt.Sprintf("Brownian(variance t, T %g)", p.Span().T) }

// Validate reports unusable times.
func (p Brownian) Validate() error { return p.Span().validate("Brownian") }
