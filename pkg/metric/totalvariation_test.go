package metric

import (
	"math"
	"strings"
	"testing"
)

func TestTotalVariation(t *testing.T) {
	for _, c := range []struct {
		p, q []float64
		want float64
	}{
		{[]float64{1, 0}, []float64{0, 1}, 1},
		{[]float64{0.25, 0.25, 0.5}, []float64{0.25, 0.25, 0.5}, 0},
		{[]float64{0.5, 0.3, 0.2}, []float64{0.1, 0.4, 0.5}, 0.4}, // the event "not the first" has 0.5 and 0.9
	} {
		if got, err := TotalVariation(c.p, c.q); err != nil || math.Abs(got-c.want) > 1e-15 {
			t.Errorf("TV(%v, %v) = %v (%v), want %v", c.p, c.q, got, err, c.want)
		}
	}
	good := []float64{0.5, 0.5}
	for _, c := range []struct {
		p, q []float64
		want string
	}{
		{nil, good, "p has 0 values"},
		{good, []float64{0.2, 0.3, 0.5}, "p has 2 values and q has 3"},
		{good, []float64{1.5, -0.5}, "q has -0.5 in row 1"},
		{[]float64{0.5, math.NaN()}, good, "p has NaN in row 1"},
		{good, []float64{0.5, 0.50001}, "q sums to 1.00001"},
	} {
		if _, err := TotalVariation(c.p, c.q); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("TV(%v, %v): error %v, want one with %q", c.p, c.q, err, c.want)
		}
	}
}
