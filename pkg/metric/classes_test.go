package metric

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// TestClassErrors asks for classes that a tenth of the samples, shifted to the next centre, do not belong to. With std
// 0.1 the bisectors lie 7 standard deviations away.
func TestClassErrors(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 7))
	const n, std, wrong = 50000, 0.1, 0.1
	x, labels := mat.NewDense(n, 2, nil), make([]int, n)
	for i := range n {
		labels[i] = rng.IntN(4)
		c := labels[i]
		if rng.Float64() < wrong {
			c = (c + 1) % 4
		}
		for j := range 2 {
			x.Set(i, j, unitCircle.At(c, j)+std*rng.NormFloat64())
		}
	}
	for _, k := range []float64{1, 2, 3.5} {
		e, err := ClassErrors(x, labels, unitCircle, std, k)
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(e.Wrong-wrong) > 5*e.WrongSE || math.Abs(e.WrongSE/math.Sqrt(wrong*(1-wrong)/n)-1) > 0.05 {
			t.Errorf("wrong %v ± %v, want %v", e.Wrong, e.WrongSE, wrong)
		}
		out := wrong + (1-wrong)*math.Exp(-k*k/2)
		if math.Abs(e.Out-out) > 5*e.OutSE || math.Abs(e.OutSE/math.Sqrt(out*(1-out)/n)-1) > 0.05 {
			t.Errorf("out at %v: %v ± %v, want %v", k, e.Out, e.OutSE, out)
		}
	}
}

func TestNearestCentre(t *testing.T) {
	got, err := NearestCentre(mat.NewDense(4, 2, []float64{0.1, -3, 2, 1, -1, 0.9, 0, 0}), unitCircle)
	if want := []int{3, 0, 2, 0}; err != nil || !slices.Equal(got, want) {
		t.Errorf("%v (%v), want %v", got, err, want)
	}
	if _, err := NearestCentre(mat.NewDense(1, 3, nil), unitCircle); err == nil || !strings.Contains(err.Error(), "3 columns") {
		t.Errorf("error %v, want one about the columns", err)
	}
}

func TestClassErrorsErrors(t *testing.T) {
	for _, c := range []struct {
		x      mat.Matrix
		labels []int
		std, k float64
		want   string
	}{
		{nil, []int{0}, 1, 1, "x is nil"},
		{mat.NewDense(1, 2, nil), []int{4}, 1, 1, "label 0 is 4, want 0 to 3"},
		{mat.NewDense(1, 2, nil), nil, 1, 1, "0 labels for 1 rows"},
		{mat.NewDense(1, 2, nil), []int{0}, 0, 1, "std = 0"},
		{mat.NewDense(1, 2, nil), []int{0}, 1, math.NaN(), "k = NaN"},
	} {
		if _, err := ClassErrors(c.x, c.labels, unitCircle, c.std, c.k); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want one with %q", err, c.want)
		}
	}
}
