package fig

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// Ellipse draws the points at a Mahalanobis distance of radius from the mean [2] under the covariance [2, 2], which must
// be positive definite: within radius 1, 2 and 3 lie 39, 86 and 98.9% of a Gaussian.
func (p *Plot) Ellipse(name string, mean []float64, cov mat.Matrix, radius float64) *Plot {
	if r, c := cov.Dims(); len(mean) != 2 || r != 2 || c != 2 {
		return p.fail("ellipse %q with mean of %d and covariance [%d, %d], want 2 and [2, 2]", name, len(mean), r, c)
	}
	// The Cholesky factor turns the circle into the ellipse.
	a := math.Sqrt(cov.At(0, 0))
	b := cov.At(1, 0) / a
	c := math.Sqrt(cov.At(1, 1) - b*b)
	if !(a > 0 && c > 0 && radius > 0) {
		return p.fail("ellipse %q with radius %v and a covariance that is not positive definite", name, radius)
	}
	const points = 120
	s := Series{Name: name, Color: ink}
	for i := range points + 1 {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / points)
		s.X = append(s.X, mean[0]+radius*a*cos)
		s.Y = append(s.Y, mean[1]+radius*(b*cos+c*sin))
	}
	return p.Line(s)
}
