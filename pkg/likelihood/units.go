package likelihood

import (
	"fmt"
	"math"
	"math/rand/v2"

	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
)

// BitsPerDim turns a negative log likelihood in nats of a d-dimensional continuous variable into bits per dimension,
// NLL/(d ln 2).
func BitsPerDim(nll float64, d int) float64 { return nll / (float64(d) * math.Ln2) }

// DiscreteBitsPerDim are the bits per dimension of data with so many levels (256 for 8-bit images), from the likelihood of
// x = slope u + shift, where u in [0, 1] are the dequantised values (value + uniform)/levels: BitsPerDim + log2 levels -
// log2 slope. For 8-bit data scaled to [0, 1] that adds 8, to [-1, 1] it adds 7. With uniform noise it bounds that of the
// discrete data from above (Theis et al. 2016, arXiv 1511.01844).
func DiscreteBitsPerDim(nll float64, d, levels int, slope float64) (float64, error) {
	if !(slope > 0) || math.IsInf(slope, 0) || levels < 2 {
		return 0, fmt.Errorf("likelihood: slope of the data's scale is %g with %d levels, want > 0, finite, and >= 2", slope, levels)
	}
	return BitsPerDim(nll, d) + math.Log2(float64(levels)) - math.Log2(slope), nil
}

// Dequantise returns (values + u)/levels with uniform u in [0, 1), for integers 0..levels-1.
func Dequantise(rng *rand.Rand, values mat.Matrix, levels int) (*mat.Dense, error) {
	n, d := values.Dims()
	out := mat.NewDense(n, d, nil)
	for i := range n {
		for k := range d {
			v := values.At(i, k)
			if v != math.Trunc(v) || v < 0 || v >= float64(levels) {
				return nil, fmt.Errorf("likelihood: value in row %d, column %d is %g, want an integer in 0..%d", i, k, v, levels-1)
			}
			out.Set(i, k, (v+rng.Float64())/float64(levels))
		}
	}
	return out, nil
}

// Linear returns n >= 2 points on the straight line from a to b, ends included, [n, d].
func Linear(a, b []float64, n int) (*mat.Dense, error) {
	return between(a, b, n, func(s float64) (float64, float64) { return 1 - s, s })
}

// Spherical returns n >= 2 points from a to b, ends included, [n, d], whose directions follow the great circle (Shoemake
// 1985) and whose lengths go evenly from |a| to |b|: encodings keep the length that the prior expects, which they lose on a
// straight line. Where a or b is 0, or they are opposite, there is no such circle and the path is the straight line.
func Spherical(a, b []float64, n int) (*mat.Dense, error) {
	if len(a) == 0 || len(a) != len(b) {
		return Linear(a, b, n) // which refuses
	}
	from, to := floats.Norm(a, 2), floats.Norm(b, 2)
	angle := math.Acos(math.Max(-1, math.Min(1, floats.Dot(a, b)/(from*to))))
	if !(angle > 1e-6 && angle < math.Pi-1e-6) { // no plane, or the same direction
		return Linear(a, b, n)
	}
	return between(a, b, n, func(s float64) (float64, float64) {
		length := (1-s)*from + s*to
		return length / from * math.Sin((1-s)*angle) / math.Sin(angle), length / to * math.Sin(s*angle) / math.Sin(angle)
	})
}

func between(a, b []float64, n int, weights func(s float64) (wa, wb float64)) (*mat.Dense, error) {
	if len(a) == 0 || len(a) != len(b) {
		return nil, fmt.Errorf("likelihood: interpolation between %d and %d coordinates, want equal numbers, at least 1", len(a), len(b))
	}
	if n < 2 {
		return nil, fmt.Errorf("likelihood: interpolation with %d points, want >= 2", n)
	}
	path := mat.NewDense(n, len(a), nil)
	for i := range n {
		wa, wb := weights(float64(i) / float64(n-1))
		for k := range a {
			path.Set(i, k, wa*a[k]+wb*b[k])
		}
	}
	return path, nil
}
