package sde

import (
	"fmt"
)

// TimesAtNoise returns the times in the span of s at which its noise level Sigma/Alpha, which has to rise with t, equals
// each of sigmas, by bisection in float64: to rounding of T. Levels outside those of the span are errors, but for a
// relative 1e-9, which is taken for the rounding of its ends.
func TimesAtNoise(s SDE, sigmas []float64) ([]float64, error) {
	if len(sigmas) == 0 {
		return nil, fmt.Errorf("sde: times of %s at noise levels: want at least one level, got none", s)
	}
	e, err := NewEvaluator(s)
	if err != nil {
		return nil, err
	}
	defer e.exec.Finalize()
	span := s.Span()
	ends, err := e.Table([]float64{span.Eps, span.T})
	if err != nil {
		return nil, err
	}
	first, last := ends.noise()[0], ends.noise()[1]
	low, high, middle := make([]float64, len(sigmas)), make([]float64, len(sigmas)), make([]float64, len(sigmas))
	for i, sigma := range sigmas {
		if !(sigma >= first*(1-1e-9) && sigma <= last*(1+1e-9)) {
			return nil, fmt.Errorf("sde: noise level %d is %g, want within [%g, %g], those of %s", i, sigma, first, last, s)
		}
		low[i], high[i] = span.Eps, span.T
		switch {
		case sigma <= first:
			high[i] = span.Eps
		case sigma >= last:
			low[i] = span.T
		}
	}
	for moved := true; moved; {
		moved = false
		for i := range middle {
			middle[i] = low[i] + (high[i]-low[i])/2
		}
		rows, err := e.Table(middle)
		if err != nil {
			return nil, err
		}
		for i, sigma := range rows.noise() {
			switch {
			case middle[i] == low[i] || middle[i] == high[i]:
			case sigma < sigmas[i]:
				low[i], moved = middle[i], true
			default:
				high[i], moved = middle[i], true
			}
		}
	}
	return high, nil
}
