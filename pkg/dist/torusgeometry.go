package dist

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/host"
)

// Point is the point [3] of the surface at the angles phi around the axis and theta around the tube, in radians; theta
// is 0 on the outer equator and grows with z.
func (t Torus) Point(phi, theta float64) []float64 {
	sin, cos := math.Sincos(theta)
	q := t.major + t.minor*cos
	return []float64{q * math.Cos(phi), q * math.Sin(phi), t.minor * sin}
}

// Angles returns the angles phi and theta in [0, 2 pi) of the points of the surface nearest to the rows of x, [n, 3].
// Where all are equally near, on the axis or on the core of the tube, it takes phi = 0 or theta = 0. It returns an error
// unless x has 3 columns of finite numbers.
func (t Torus) Angles(x mat.Matrix) (phi, theta []float64, err error) {
	if x == nil {
		return nil, nil, fmt.Errorf("dist: %s: x is nil, want a matrix [n, 3]", t)
	}
	n, d := x.Dims()
	if d != 3 {
		return nil, nil, fmt.Errorf("dist: %s: x is [%d, %d], want [n, 3]", t, n, d)
	}
	if err := host.Finite("x", x); err != nil {
		return nil, nil, fmt.Errorf("dist: %s: %w", t, err)
	}
	phi, theta = make([]float64, n), make([]float64, n)
	for i := range n {
		phi[i] = turn(math.Atan2(x.At(i, 1), x.At(i, 0)))
		theta[i] = turn(math.Atan2(x.At(i, 2), math.Hypot(x.At(i, 0), x.At(i, 1))-t.major))
	}
	return phi, theta, nil
}

// turn brings an angle of [-pi, pi] to [0, 2 pi).
func turn(angle float64) float64 {
	if angle < 0 {
		angle += 2 * math.Pi
	}
	if angle >= 2*math.Pi { // a negative angle too small to tell from 0
		return 0
	}
	return angle
}

// Nearest returns the points of the surface nearest to the rows of x, [n, 3]; ties and errors as in Angles.
func (t Torus) Nearest(x mat.Matrix) (*mat.Dense, error) {
	return t.each(x, t.Point)
}

// Normal returns the outer unit normals of the surface at the points nearest to the rows of x, [n, 3]; ties and errors
// as in Angles.
func (t Torus) Normal(x mat.Matrix) (*mat.Dense, error) {
	return t.each(x, func(phi, theta float64) []float64 {
		sin, cos := math.Sincos(theta)
		return []float64{cos * math.Cos(phi), cos * math.Sin(phi), sin}
	})
}

// each applies f to the angles of the rows of x.
func (t Torus) each(x mat.Matrix, f func(phi, theta float64) []float64) (*mat.Dense, error) {
	phi, theta, err := t.Angles(x)
	if err != nil {
		return nil, err
	}
	out := mat.NewDense(len(phi), 3, nil)
	for i := range phi {
		out.SetRow(i, f(phi[i], theta[i]))
	}
	return out, nil
}

// Distance returns the signed distances of the rows of x, [n, 3], from the surface, [n]: negative inside the tube. Errors
// as in Angles.
func (t Torus) Distance(x mat.Matrix) ([]float64, error) {
	if _, _, err := t.Angles(x); err != nil {
		return nil, err
	}
	n, _ := x.Dims()
	out := make([]float64, n)
	for i := range out {
		out[i] = math.Hypot(math.Hypot(x.At(i, 0), x.At(i, 1))-t.major, x.At(i, 2)) - t.minor
	}
	return out, nil
}

// PhiCDF is the distribution function of phi for points that follow the law without noise, for angles in [0, 2 pi].
func (t Torus) PhiCDF(phi float64) float64 { return clip(phi / (2 * math.Pi)) }

// ThetaCDF is the distribution function of theta, as PhiCDF is that of phi: (theta + r/R sin theta)/2 pi. The mean of
// cos theta is r/2R.
func (t Torus) ThetaCDF(theta float64) float64 {
	return clip((theta + t.aspect*math.Sin(theta)) / (2 * math.Pi))
}

// clip keeps a probability in [0, 1] against rounding.
func clip(p float64) float64 { return min(max(p, 0), 1) }
