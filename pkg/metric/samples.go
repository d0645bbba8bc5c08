// Package metric compares samples with exact laws and with each other: two-sample energy distance with its
// permutation null, mode statistics of mixtures, moments, Kolmogorov-Smirnov, Wasserstein-1 and least-squares slopes;
// and it checks what conditional laws claim: total variation of probabilities, calibration of classifiers and of
// posterior draws, and the share of samples that miss their class.
//
// Samples are gonum matrices [n, d], one sample per row. Every estimate comes with a standard error or a null
// distribution, so that a claim can be stated as a number with a tolerance. All functions reject empty data,
// mismatched dimensions and values that are not finite, naming the row.
package metric

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// rows copies x into one row-major slice and checks it: at least minRows rows, at least one column, finite values.
// name is what the error calls the sample.
func rows(name string, x mat.Matrix, minRows int) (data []float64, n, d int, err error) {
	if x == nil {
		return nil, 0, 0, fmt.Errorf("metric: %s is nil, want a matrix [n, d]", name)
	}
	n, d = x.Dims()
	if n < minRows || d < 1 {
		return nil, 0, 0, fmt.Errorf("metric: %s is [%d, %d], want at least %d rows and 1 column", name, n, d, minRows)
	}
	data = make([]float64, n*d)
	mat.NewDense(n, d, data).Copy(x)
	for i, v := range data {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return nil, 0, 0, fmt.Errorf("metric: %s has %v in row %d, column %d, want finite values", name, v, i/d, i%d)
		}
	}
	return data, n, d, nil
}

// pair checks two samples of at least two rows and of one dimension d.
func pair(x, y mat.Matrix) (xs, ys []float64, n, m, d int, err error) {
	xs, n, d, err = rows("x", x, 2)
	if err != nil {
		return nil, nil, 0, 0, 0, err
	}
	ys, m, dy, err := rows("y", y, 2)
	if err != nil {
		return nil, nil, 0, 0, 0, err
	}
	if d != dy {
		return nil, nil, 0, 0, 0, fmt.Errorf("metric: x has %d columns and y has %d, want the same dimension", d, dy)
	}
	return xs, ys, n, m, d, nil
}

// finite checks a one-dimensional sample of at least minLen values.
func finite(name string, a []float64, minLen int) error {
	if len(a) < minLen {
		return fmt.Errorf("metric: %s has %d values, want at least %d", name, len(a), minLen)
	}
	for i, v := range a {
		if math.IsNaN(v) || math.IsInf(v, 0) {
			return fmt.Errorf("metric: %s has %v in row %d, want finite values", name, v, i)
		}
	}
	return nil
}
