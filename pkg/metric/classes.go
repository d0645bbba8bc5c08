package metric

import (
	"math"

	"gonum.org/v1/gonum/mat"
)

// ClassError says how many samples of a conditional sampler miss their class; shares with binomial standard errors.
type ClassError struct {
	Wrong, WrongSE float64 // nearest to the centre of another class
	Out, OutSE     float64 // further than k std from the centre of their class
}

// ClassErrors compares the rows of x, [n, d], with the centres [K, d] of the classes 0..K-1 that labels, of length n,
// asked for. std > 0 is the per-coordinate standard deviation of a class and k > 0 the radius in units of it. Where
// OutOfK measures to the nearest centre, Out measures to the one of the label, so that a sample in another class is
// out as well. In two dimensions the exact share is exp(-k^2/2).
func ClassErrors(x mat.Matrix, labels []int, centres mat.Matrix, std, k float64) (ClassError, error) {
	if err := checkRadius(std, k); err != nil {
		return ClassError{}, err
	}
	near, err := nearest(x, centres)
	if err != nil {
		return ClassError{}, err
	}
	if err := checkLabels(labels, near.n, near.k); err != nil {
		return ClassError{}, err
	}
	wrong, out := 0, 0
	for i, y := range labels {
		var square float64
		for j := range near.d {
			e := near.data[i*near.d+j] - centres.At(y, j)
			square += e * e
		}
		if near.centre[i] != y {
			wrong++
		}
		if math.Sqrt(square) > k*std {
			out++
		}
	}
	n := float64(near.n)
	return ClassError{
		Wrong: float64(wrong) / n, WrongSE: shareSE(wrong, near.n),
		Out: float64(out) / n, OutSE: shareSE(out, near.n),
	}, nil
}

// NearestCentre returns for each row of x, [n, d], the index of the nearest row of centres, [k, d], the first of equals.
// It is the classifier behind ModeStats, OutOfK and ClassErrors.
func NearestCentre(x, centres mat.Matrix) ([]int, error) {
	near, err := nearest(x, centres)
	return near.centre, err
}
