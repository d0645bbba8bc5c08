package sde

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/integrate/quad"
)

// DoubleWell is the overdamped motion of a particle between two wells, the same in each coordinate:
//
//	dx = -U'(x) dt + Noise dw,   U(x) = Depth (x^2 - 1)^2,
//
// an example of a process without a Gaussian kernel whose stationary law, proportional to exp(-2 U/Noise^2), is known.
// The barrier is 2 Depth/Noise^2 high. At height 1 the stationary density between the wells is e^-1 of that in them, and
// what is left of the start decays at the rate 0.374 Noise^2 (the spectral gap): for Depth 2 and Noise 2 to 1% at t = 3.
// From a start that is symmetric about 0 it decays at 3.00 Noise^2, for Depth 1 and Noise sqrt(2) to 0.2% at t = 1.
// Simulations need steps below 1/(8 Depth), and shorter ones if data lie far outside the wells.
type DoubleWell struct{ Depth, Noise float64 } // both > 0

// Process is the motion on a span of times, or an error if a parameter is not positive and finite or the span unusable.
func (w DoubleWell) Process(times Span) (Nonlinear, error) {
	if !(w.Depth > 0 && w.Noise > 0) || !finite(w.Depth) || !finite(w.Noise) {
		return Nonlinear{}, fmt.Errorf("sde: %s: want Depth and Noise > 0 and finite", w)
	}
	p := Nonlinear{
		Name:  w.String(),
		F:     func(x, _ *Node) *Node { return scaled(w.Score(x), w.Noise*w.Noise/2) },
		G:     func(t *Node) *Node { return constantLike(t, w.Noise) },
		Times: times,
	}
	return p, p.Validate()
}

// Reference is the OU process with the diffusion Noise and the stationary standard deviation 1, close to that between
// wells at +-1. Its span must be that of the Process that it serves.
func (w DoubleWell) Reference(times Span) OU { return OU{Rate: w.Noise * w.Noise / 2, Times: times} }

// Score is that of the stationary law, -2 U'(x)/Noise^2, of the shape of x.
func (w DoubleWell) Score(x *Node) *Node {
	return scaled(Mul(x, shifted(Square(x), -1)), -4*w.barrier())
}

// Stationary returns density and distribution function of the stationary law of a coordinate, by quadrature.
func (w DoubleWell) Stationary() (density, cdf func(x float64) float64) {
	weight := func(x float64) float64 { return math.Exp(-w.barrier() * (x*x - 1) * (x*x - 1)) }
	end := math.Sqrt(1 + math.Sqrt(40/w.barrier())) // beyond it the weight is below e^-40
	mass := func(x float64) float64 { return quad.Fixed(weight, -end, x, 120, nil, 0) }
	total := mass(end)
	density = func(x float64) float64 { return weight(x) / total }
	cdf = func(x float64) float64 { return min(mass(min(max(x, -end), end))/total, 1) }
	return density, cdf
}

// String names the parameters.
func (w DoubleWell) String() string {
	return fmt.Sprintf("double well(depth %g, noise %g)", w.Depth, w.Noise)
}

// barrier is the height of the barrier in units of Noise^2/2.
func (w DoubleWell) barrier() float64 { return 2 * w.Depth / (w.Noise * w.Noise) }
