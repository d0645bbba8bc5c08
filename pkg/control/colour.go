package control

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Decoupling is the orthonormal change of three colour channels whose first axis is grey, (1, 1, 1)/sqrt 3 (Song et al.
// 2021, appendix I.3): in its coordinates, the first known and the other two free, colourisation is imputation.
func Decoupling() *mat.Dense {
	a, b, c := 1/math.Sqrt(3), 1/math.Sqrt(2), 1/math.Sqrt(6)
	return mat.NewDense(3, 3, []float64{
		a, a, a,
		b, -b, 0,
		c, c, -2 * c,
	})
}

// Grey is the observation of the grey values, the means of the three channels, of vectors of pixels x 3 coordinates, the
// channels of a pixel next to each other. grey is [1, pixels] or [N, pixels]; errors as in Observe.
func Grey(pixels int, grey mat.Matrix) (*Observation, error) {
	if pixels < 1 {
		return nil, fmt.Errorf("control: Grey got %d pixels, want >= 1", pixels)
	}
	mean := mat.NewDense(pixels, 3*pixels, nil)
	for i := range pixels {
		for channel := range 3 {
			mean.Set(i, 3*i+channel, 1.0/3)
		}
	}
	return Observe(mean, 0, grey)
}
