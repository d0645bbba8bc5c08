package sde

import (
	"fmt"
	"math"
)

// PriorKL is KL(p_T || prior) in nats for Gaussian data with independent coordinates of the given means and variances:
// the sum over coordinates of KL(N(alpha m, alpha^2 v + sigma^2) || N(0, PriorStd^2)) at T = Span().T. For other data
// with these moments it is the gap of the Gaussian with the moments of p_T.
// Variances of 0 are allowed (a point). It returns an error when s is invalid, the lengths differ, or a moment is
// not finite or a variance negative.
func PriorKL(s SDE, mean, variance []float64) (float64, error) {
	if len(mean) != len(variance) || len(mean) == 0 {
		return 0, fmt.Errorf("sde: prior gap: want as many variances as means, at least one, got %d and %d", len(variance), len(mean))
	}
	if err := Validate(s); err != nil {
		return 0, err
	}
	alpha, sigma := At(s, s.Span().T)
	prior := s.PriorStd() * s.PriorStd()
	var kl float64
	for i, m := range mean {
		v := variance[i]
		if !finite(m) || !finite(v) || v < 0 {
			return 0, fmt.Errorf("sde: prior gap: coordinate %d: want finite mean and variance >= 0, got %g and %g", i, m, v)
		}
		// The variance excess is small: (r - log(1+r))/2 must keep its digits.
		excess := (alpha*alpha*v+sigma*sigma)/prior - 1
		kl += (excess - math.Log1p(excess) + alpha*alpha*m*m/prior) / 2
	}
	return kl, nil
}
