package dist

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// The toys of this file are curves in the plane plus isotropic noise. Their noised densities are the integral of a normal
// density along the curve and have no closed form; Checkerboard is the toy that is a Law.

// SwissRoll draws n >= 1 points of the spiral (t cos t, t sin t)/7.5, t uniform on [1.5 pi, 4.5 pi], plus noise of
// standard deviation noise >= 0 in each coordinate: the plane section of scikit-learn's make_swiss_roll at the scale of
// toy flows, where 0.03 is usual. It returns the points [n, 2], within about 2 of the origin, and the place along the
// roll, (t/pi - 1.5)/3 in [0, 1), of each.
func SwissRoll(rng *rand.Rand, n int, noise float64) (x *mat.Dense, along []float64, err error) {
	along = make([]float64, max(n, 0))
	x, err = curve("swiss roll", rng, n, noise, func(i int) (float64, float64) {
		along[i] = rng.Float64()
		t := math.Pi * (1.5 + 3*along[i])
		return t * math.Cos(t) / 7.5, t * math.Sin(t) / 7.5
	})
	return x, along, err
}

// Moons draws n >= 1 points of two half circles of radius 1 that reach into each other, (cos t, sin t) and
// (1 - cos t, 1/2 - sin t), t uniform on [0, pi], each with probability 1/2, plus noise of standard deviation noise >= 0
// in each coordinate: scikit-learn's make_moons, for which 0.05 to 0.1 is usual. It returns the points [n, 2] and the moon,
// 0 or 1, of each.
func Moons(rng *rand.Rand, n int, noise float64) (x *mat.Dense, labels []int, err error) {
	labels = make([]int, max(n, 0))
	x, err = curve("moons", rng, n, noise, func(i int) (float64, float64) {
		labels[i] = rng.IntN(2)
		sin, cos := math.Sincos(math.Pi * rng.Float64())
		if labels[i] == 1 {
			return 1 - cos, 0.5 - sin
		}
		return cos, sin
	})
	return x, labels, err
}

// Spirals draws n >= 1 points of two arms (-t cos t, t sin t)/3 and its mirror image at the origin, t = 3 pi sqrt(u) with
// u uniform on [0, 1], so that the density per length is even far out, each with probability 1/2, plus noise of standard
// deviation noise >= 0 in each coordinate, of which 0.1 is usual (Grathwohl et al. 2019, arXiv 1810.01367, there with some
// uniform noise too). It returns the points [n, 2], within about 3.3 of the origin, and the arm, 0 or 1, of each.
func Spirals(rng *rand.Rand, n int, noise float64) (x *mat.Dense, labels []int, err error) {
	labels = make([]int, max(n, 0))
	x, err = curve("spirals", rng, n, noise, func(i int) (float64, float64) {
		labels[i] = rng.IntN(2)
		t := 3 * math.Pi * math.Sqrt(rng.Float64())
		side := float64(1-2*labels[i]) / 3
		return -side * t * math.Cos(t), side * t * math.Sin(t)
	})
	return x, labels, err
}

// curve draws n points, [n, 2], and adds noise.
func curve(what string, rng *rand.Rand, n int, noise float64, point func(i int) (x, y float64)) (*mat.Dense, error) {
	if rng == nil || n < 1 || !(noise >= 0) || !finite(noise) {
		return nil, fmt.Errorf("dist: %s: n = %d, noise = %g, rng nil: %t; want n >= 1, finite noise >= 0 and an rng", what, n, noise, rng == nil)
	}
	out := mat.NewDense(n, 2, nil)
	for i := range n {
		x, y := point(i)
		out.SetRow(i, []float64{x + noise*rng.NormFloat64(), y + noise*rng.NormFloat64()})
	}
	return out, nil
}
