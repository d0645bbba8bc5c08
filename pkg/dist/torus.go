package dist

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/scoresde/scoresde/pkg/noise"
	"gonum.org/v1/gonum/mat"
)

// Torus is the uniform law on the surface of a torus around the z axis, plus isotropic Gaussian noise so that it is
// closed under Noised. Its points are
//
//	(q cos phi, q sin phi, r sin theta),   q = R + r cos theta,
//
// with phi uniform and theta of density (1 + r/R cos theta)/2 pi, independent of each other: equal areas, not equal
// angles. Without noise it has no density. A Torus is immutable; make one with NewTorus.
type Torus struct {
	*torus
}

type torus struct {
	major, minor float64 // R and r
	aspect       float64 // r/R, which stays when Noised shrinks both to 0
	std          float64 // of the noise in each coordinate
}

// NewTorus returns the uniform law on the torus with the distance major of the tube's core from the axis and the radius
// minor of the tube. It returns an error unless both are finite and major > minor > 0: a surface that meets itself has
// another law of areas.
func NewTorus(major, minor float64) (Torus, error) {
	if !finite(major) || !(major > minor && minor > 0) {
		return Torus{}, fmt.Errorf("dist: torus: radii %g of the core and %g of the tube, want finite numbers with core > tube > 0", major, minor)
	}
	return Torus{&torus{major, minor, minor / major, 0}}, nil
}

// Dim implements Law.
func (t Torus) Dim() int { return 3 }

// Mean implements Law.
func (t Torus) Mean() []float64 { return make([]float64, 3) }

// Cov implements Law: the variances (R^2 + 3/2 r^2)/2 in the plane and r^2/2 along the axis, plus that of the noise.
func (t Torus) Cov() *mat.SymDense {
	square, noise := t.minor*t.minor, t.std*t.std
	plane := (t.major*t.major + 1.5*square) / 2
	return mat.NewSymDense(3, []float64{plane + noise, 0, 0, 0, plane + noise, 0, 0, 0, square/2 + noise})
}

// Sample implements Law. A tube angle from the uniform law is kept with probability (1 + r/R cos theta)/2 and else
// mirrored to pi - theta, which has the right density without rejecting anything.
func (t Torus) Sample(rng *rand.Rand, n int) *mat.Dense {
	x := mat.NewDense(n, 3, nil)
	for i := range n {
		phi, theta := 2*math.Pi*rng.Float64(), 2*math.Pi*rng.Float64()
		if 2*rng.Float64() > 1+t.aspect*math.Cos(theta) {
			theta = math.Pi - theta
		}
		row := x.RawRowView(i)
		copy(row, t.Point(phi, theta))
		if t.std > 0 {
			for j := range row {
				row[j] += t.std * rng.NormFloat64()
			}
		}
	}
	return x
}

// SampleGraph draws n >= 1 points inside a graph, [n, 3], as Mixture.SampleGraph does.
func (t Torus) SampleGraph(rng noise.Source, n int, dtype dtypes.DType) *Node {
	unit := rng.Uniform(shapes.Make(dtype, n, 3))
	turn := constant(unit, 2*math.Pi)
	phi, theta := Mul(turn, SliceAxis(unit, 1, AxisElem(0))), Mul(turn, SliceAxis(unit, 1, AxisElem(1)))
	chance := Add(constant(unit, 0.5), Mul(constant(unit, t.aspect/2), Cos(theta)))
	mirrored := GreaterThan(SliceAxis(unit, 1, AxisElem(2)), chance)
	cos := Mul(Cos(theta), Where(mirrored, constant(unit, -1.0), constant(unit, 1.0))) // sin(pi - theta) = sin theta
	q := Add(constant(unit, t.major), Mul(constant(unit, t.minor), cos))
	x := Concatenate([]*Node{Mul(q, Cos(phi)), Mul(q, Sin(phi)), Mul(constant(unit, t.minor), Sin(theta))}, 1)
	if t.std == 0 {
		return x
	}
	z := rng.Normal(x.Shape())
	return Add(x, Mul(z, constant(z, t.std)))
}

// Noised implements Law.
func (t Torus) Noised(alpha, sigma float64) Law {
	checkKernel(alpha, sigma)
	scale := math.Abs(alpha) // the mirrored torus is the same
	return Torus{&torus{scale * t.major, scale * t.minor, t.aspect, math.Hypot(scale*t.std, sigma)}}
}

// String implements Law.
func (t Torus) String() string {
	s := fmt.Sprintf("torus, radii %.4g and %.4g", t.major, t.minor)
	if t.std > 0 {
		s += fmt.Sprintf(" plus noise of std %.4g", t.std)
	}
	return s
}
