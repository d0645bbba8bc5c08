package sde

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
)

// VETutorial is the variance-exploding process of the tutorial that accompanies Song et al. 2021: dx = Base^t dw, so
// Sigma^2 = (Base^(2t) - 1)/(2 ln Base). It starts from clean data.
type VETutorial struct {
	// Base is g(1), > 1; the tutorial takes 25.
	Base float64
	// Times overrides the default span [1e-5, 1].
	Times Span
}

// Alpha is 1.
func (p VETutorial) Alpha(t *Node) *Node { return constantLike(t, 1) }

// Sigma is sqrt((Base^(2t) - 1)/(2 ln Base)).
func (p VETutorial) Sigma(t *Node) *Node {
	return Sqrt(scaled(Expm1(scaled(t, p.growth())), 1/p.growth()))
}

// Drift is 0.
func (p VETutorial) Drift(t *Node) *Node { return constantLike(t, 0) }

// Diffusion is Base^t.
func (p VETutorial) Diffusion(t *Node) *Node { return Exp(scaled(t, math.Log(p.Base))) }

// Span is Times, by default [1e-5, 1].
func (p VETutorial) Span() Span { return p.Times.or(Span{Eps: 1e-5, T: 1}) }

// PriorStd is Sigma(T).
func (p VETutorial) PriorStd() float64 {
	return math.Sqrt(math.Expm1(p.growth()*p.Span().T) / p.growth())
}

// String names the process and its parameter.
func (p VETutorial) String() string { return fmt.Sprintf("VE tutorial(base %g)", p.Base) }

// Validate reports a Base outside (1, inf) and unusable times.
func (p VETutorial) Validate() error {
	if !(p.Base > 1) || !finite(p.Base) {
		return fmt.Errorf("VE tutorial: want 1 < Base < inf, got %g", p.Base)
	}
	return p.Span().validate("VE tutorial")
}

// growth is the rate of Base^(2t).
func (p VETutorial) growth() float64 { return 2 * math.Log(p.Base) }
