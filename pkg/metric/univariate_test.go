package metric

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"
)

func uniformCDF(x float64) float64 { return min(max(x, 0), 1) }

func TestKSStatistic(t *testing.T) {
	// Sorted .1 .4 .5 .6 .95 against U[0,1]: the largest gap is F_n(.6) - .6 = .2.
	stat, _, err := KS([]float64{0.5, 0.1, 0.95, 0.4, 0.6}, uniformCDF)
	if err != nil || math.Abs(stat-0.2) > 1e-15 {
		t.Errorf("stat %v (%v), want 0.2", stat, err)
	}
}

func TestKSCalibration(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 3))
	const reps = 2000
	p := make([]float64, reps)
	sample := make([]float64, 100)
	for r := range p {
		for i := range sample {
			sample[i] = rng.Float64()
		}
		var err error
		if _, p[r], err = KS(sample, uniformCDF); err != nil {
			t.Fatal(err)
		}
	}
	for _, level := range []float64{0.01, 0.05, 0.2, 0.5, 0.9} {
		low := 0
		for _, v := range p {
			if v <= level {
				low++
			}
		}
		if got := float64(low) / reps; math.Abs(got-level) > 5*math.Sqrt(level*(1-level)/reps) {
			t.Errorf("P(p <= %v) = %v under the null", level, got)
		}
	}
}

// The two series of the tail agree where both converge, and the 5% point of the Kolmogorov law is 1.3581.
func TestKolmogorovTail(t *testing.T) {
	if below, above := kolmogorovTail(1-1e-12), kolmogorovTail(1+1e-12); math.Abs(below-above) > 1e-10 {
		t.Errorf("tail jumps at 1: %v, %v", below, above)
	}
	if p := kolmogorovTail(1.3580986393225505); math.Abs(p-0.05) > 1e-9 {
		t.Errorf("tail(1.3581) = %v, want 0.05", p)
	}
}

func TestWasserstein1(t *testing.T) {
	for _, c := range []struct {
		a, b []float64
		want float64
	}{
		{[]float64{3, 1, 2}, []float64{2, 3, 4}, 1},           // a shift
		{[]float64{0, 0, 1}, []float64{0, 1}, 1.0 / 6},        // different lengths and ties
		{[]float64{5}, []float64{1, 2, 9}, (4 + 3 + 4) / 3.0}, // one atom: mean distance to it
	} {
		if got, err := Wasserstein1(c.a, c.b); err != nil || math.Abs(got-c.want) > 1e-14 {
			t.Errorf("W1(%v, %v) = %v (%v), want %v", c.a, c.b, got, err, c.want)
		}
	}
	// Scaling a standard normal by 2: W1 is the mean of |x|, sqrt(2/pi).
	rng := rand.New(rand.NewPCG(2, 3))
	a, b := make([]float64, 50000), make([]float64, 40000)
	for i := range a {
		a[i] = rng.NormFloat64()
	}
	for i := range b {
		b[i] = 2 * rng.NormFloat64()
	}
	got, err := Wasserstein1(a, b)
	if want := math.Sqrt(2 / math.Pi); err != nil || math.Abs(got-want) > 5*2/math.Sqrt(40000) {
		t.Errorf("W1 of N(0,1) and N(0,4): %v (%v), want %v", got, err, want)
	}
}

func TestSlope(t *testing.T) {
	slope, se, err := Slope([]float64{0, 1, 2, 3}, []float64{1, 0.5, 0, -0.5})
	if err != nil || slope != -0.5 || se > 1e-15 {
		t.Errorf("exact line: %v ± %v (%v), want -0.5 ± 0", slope, se, err)
	}
	// The standard error covers: z = (slope - 2)/se follows Student's t with 8 degrees, whose variance is 8/6.
	rng := rand.New(rand.NewPCG(3, 3))
	const reps = 4000
	var z2 float64
	x, y := make([]float64, 10), make([]float64, 10)
	for range reps {
		for i := range x {
			x[i], y[i] = float64(i), 2*float64(i)+rng.NormFloat64()
		}
		slope, se, err := Slope(x, y)
		if err != nil {
			t.Fatal(err)
		}
		z2 += math.Pow((slope-2)/se, 2) / reps
	}
	// The fourth moment of t_8 is 3*8^2/(6*4) = 8.
	if tol := 5 * math.Sqrt((8-16.0/9)/reps); math.Abs(z2-8.0/6) > tol {
		t.Errorf("variance of the standardised slope %v, want %v ± %v", z2, 8.0/6, tol)
	}
}

func TestUnivariateErrors(t *testing.T) {
	nan := []float64{1, 2, 3, math.NaN(), 5}
	if _, _, err := KS(nan, uniformCDF); err == nil || !strings.Contains(err.Error(), "NaN in row 3") {
		t.Errorf("KS: %v, want the row of the NaN", err)
	}
	if _, _, err := KS([]float64{1, 2, 3, 4, 5}, func(x float64) float64 { return x }); err == nil || !strings.Contains(err.Error(), "cdf(2) = 2") {
		t.Errorf("KS: %v, want one about the cdf", err)
	}
	if _, err := Wasserstein1(nil, []float64{1}); err == nil || !strings.Contains(err.Error(), "a has 0 values") {
		t.Errorf("W1: %v, want one about a", err)
	}
	if _, _, err := Slope([]float64{1, 1, 1}, []float64{1, 2, 3}); err == nil || !strings.Contains(err.Error(), "all x equal 1") {
		t.Errorf("Slope: %v, want one about constant x", err)
	}
	if _, _, err := Slope([]float64{1, 2, 3}, []float64{1, 2, 3, 4}); err == nil {
		t.Error("Slope accepted different lengths")
	}
}
