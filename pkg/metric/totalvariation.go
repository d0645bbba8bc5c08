package metric

import (
	"fmt"
	"math"
)

// TotalVariation is the distance sum |p_i - q_i| / 2 between two probability vectors, in 0..1: the largest difference
// between the probabilities that they give to one event. It returns an error if the lengths differ, an entry is
// negative or not finite, or a vector does not sum to 1 within 1e-6.
func TotalVariation(p, q []float64) (float64, error) {
	if err := probabilities("p", p, 1e-6); err != nil {
		return 0, err
	}
	if err := probabilities("q", q, 1e-6); err != nil {
		return 0, err
	}
	if len(p) != len(q) {
		return 0, fmt.Errorf("metric: p has %d values and q has %d, want the same number", len(p), len(q))
	}
	var sum float64
	for i, v := range p {
		sum += math.Abs(v - q[i])
	}
	return sum / 2, nil
}

// probabilities checks that p is a probability vector whose sum is 1 within tol.
func probabilities(name string, p []float64, tol float64) error {
	if err := finite(name, p, 1); err != nil {
		return err
	}
	for i, v := range p {
		if v < 0 {
			return fmt.Errorf("metric: %s has %v in row %d, want probabilities", name, v, i)
		}
	}
	if sum := total(p); math.Abs(sum-1) > tol {
		return fmt.Errorf("metric: %s sums to %v, want 1 within %v", name, sum, tol)
	}
	return nil
}
