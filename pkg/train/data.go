package train

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/host"
)

// checkData refuses data that would only fail, or silently spoil the weights, later. It returns the standard deviation
// over all coordinates about 0, which preconditioning needs.
func checkData(data mat.Matrix) (std float64, err error) {
	if data == nil {
		return 0, errors.New("train: no data, want a matrix [n, d] with one example per row")
	}
	if err := host.FitsFloat32("data", data); err != nil {
		return 0, fmt.Errorf("train: %w", err)
	}
	std = math.Sqrt(meanSquare(data))
	if !(std > 1e-18 && std < 1e18) { // its square must be a float32 too
		return 0, fmt.Errorf("train: the root mean square of the data is %g, want it in [1e-18, 1e18]; rescale the data", std)
	}
	return std, nil
}

// checkConditions refuses conditions that are not one row of numbers per example.
func checkConditions(y, data mat.Matrix) error {
	if y == nil {
		return errors.New("train: no conditions, want a matrix [n, c] with one row per example; Fit needs none")
	}
	if err := host.FitsFloat32("conditions", y); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	rows, _ := y.Dims()
	if n, _ := data.Dims(); rows != n {
		return fmt.Errorf("train: got %d rows of conditions for %d examples, want one each", rows, n)
	}
	return nil
}

// meanSquare is that of the elements.
func meanSquare(m mat.Matrix) float64 {
	n, d := m.Dims()
	sum := 0.0
	for i := range n {
		for k := range d {
			v := m.At(i, k)
			sum += v * v
		}
	}
	return sum / float64(n*d)
}
