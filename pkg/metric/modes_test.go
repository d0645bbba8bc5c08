package metric

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

var unitCircle = mat.NewDense(4, 2, []float64{1, 0, 0, 1, -1, 0, 0, -1})

// mixture draws n rows of the four Gaussians with the given weights and std.
func mixture(rng *rand.Rand, n int, weights []float64, std float64) *mat.Dense {
	x := mat.NewDense(n, 2, nil)
	for i := range n {
		u, c := rng.Float64(), 0
		for ; c < 3 && u >= weights[c]; c++ {
			u -= weights[c]
		}
		for j := range 2 {
			x.Set(i, j, unitCircle.At(c, j)+std*rng.NormFloat64())
		}
	}
	return x
}

func TestModeStatsOfMixture(t *testing.T) {
	weights := []float64{0.4, 0.3, 0.2, 0.1}
	// std 0.1 puts the bisectors 7 standard deviations away: the groups are the components.
	x := mixture(rand.New(rand.NewPCG(1, 2)), 40000, weights, 0.1)
	modes, err := ModeStats(x, unitCircle)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for c, m := range modes {
		n += m.N
		if math.Abs(m.Weight-weights[c]) > 5*m.WeightSE {
			t.Errorf("mode %d: weight %v ± %v, want %v", c, m.Weight, m.WeightSE, weights[c])
		}
		if math.Abs(m.Std-0.1) > 5*m.StdSE {
			t.Errorf("mode %d: std %v ± %v, want 0.1", c, m.Std, m.StdSE)
		}
		// For a Gaussian se(std) = std / sqrt(2 d n).
		if want := 0.1 / math.Sqrt(4*float64(m.N)); math.Abs(m.StdSE/want-1) > 0.1 {
			t.Errorf("mode %d: se of std %v, Gaussian theory %v", c, m.StdSE, want)
		}
		if want := math.Sqrt(weights[c] * (1 - weights[c]) / 40000); math.Abs(m.WeightSE/want-1) > 0.05 {
			t.Errorf("mode %d: se of weight %v, binomial %v", c, m.WeightSE, want)
		}
		for j := range 2 {
			if math.Abs(m.Mean[j]-unitCircle.At(c, j)) > 5*m.MeanSE[j] {
				t.Errorf("mode %d: mean %v ± %v, want row %d of the unit circle", c, m.Mean, m.MeanSE, c)
			}
			if want := 0.1 / math.Sqrt(float64(m.N)); math.Abs(m.MeanSE[j]/want-1) > 0.1 {
				t.Errorf("mode %d: se of mean %v, theory %v", c, m.MeanSE[j], want)
			}
		}
	}
	if n != 40000 {
		t.Errorf("modes hold %d samples, want 40000", n)
	}
}

func TestModeStatsSmallCase(t *testing.T) {
	x := mat.NewDense(3, 2, []float64{1.1, 0.2, 0.9, -0.2, 0, 1})
	modes, err := ModeStats(x, unitCircle)
	if err != nil {
		t.Fatal(err)
	}
	// Squared deviations .01+.01 and .04+.04, each over n-1 = 1, averaged over two coordinates.
	if want := math.Sqrt((0.02 + 0.08) / 2); modes[0].N != 2 || math.Abs(modes[0].Std-want) > 1e-15 {
		t.Errorf("mode 0: N %d std %v, want 2 and %v", modes[0].N, modes[0].Std, want)
	}
	if modes[1].N != 1 || modes[1].Mean[1] != 1 || !math.IsNaN(modes[1].Std) {
		t.Errorf("mode of one sample: %+v, want its mean and an undefined std", modes[1])
	}
	if modes[2].Weight != 0 || !math.IsNaN(modes[2].Std) || !math.IsNaN(modes[2].Mean[0]) || !(modes[2].WeightSE > 0) {
		t.Errorf("empty mode: %+v, want weight 0, positive weight error and NaN elsewhere", modes[2])
	}
}

// The law of the four Gaussians: P(distance to the nearest centre > 3.5 std) is .00219 (to three digits exp(-3.5^2/2)).
func TestOutOfK(t *testing.T) {
	x := mixture(rand.New(rand.NewPCG(2, 2)), 100000, []float64{0.25, 0.25, 0.25, 0.25}, 0.2)
	for _, k := range []float64{1, 2, 3.5} {
		got, se, err := OutOfK(x, unitCircle, 0.2, k)
		if err != nil {
			t.Fatal(err)
		}
		if want := math.Exp(-k * k / 2); math.Abs(got-want) > 5*se {
			t.Errorf("out%v = %v ± %v, want %v", k, got, se, want)
		}
	}
	got, se, err := OutOfK(unitCircle, unitCircle, 0.2, 3.5)
	if err != nil || got != 0 || !(se > 0) {
		t.Errorf("no outliers: %v ± %v (%v), want 0 with a positive error", got, se, err)
	}
}

func TestModeErrors(t *testing.T) {
	nan := mat.NewDense(2, 2, []float64{0, 0, 0, math.NaN()})
	if _, err := ModeStats(nan, unitCircle); err == nil || !strings.Contains(err.Error(), "x has NaN in row 1, column 1") {
		t.Errorf("error %v, want the row of the NaN", err)
	}
	if _, err := ModeStats(mat.NewDense(2, 3, nil), unitCircle); err == nil || !strings.Contains(err.Error(), "3 columns") {
		t.Errorf("error %v, want one about the columns", err)
	}
	if _, _, err := OutOfK(unitCircle, unitCircle, 0, 3.5); err == nil || !strings.Contains(err.Error(), "std = 0") {
		t.Errorf("error %v, want one about std", err)
	}
	if _, err := ModeStats(&mat.Dense{}, unitCircle); err == nil {
		t.Error("empty x accepted")
	}
}

func TestMoments(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 2))
	const n = 20000
	x := mat.NewDense(n, 2, nil) // mean (1, -2), covariance [[4, 1.2], [1.2, 1]]
	for i := range n {
		a, b := rng.NormFloat64(), rng.NormFloat64()
		x.SetRow(i, []float64{1 + 2*a, -2 + 0.6*a + 0.8*b})
	}
	m, err := MomentsOf(x)
	if err != nil {
		t.Fatal(err)
	}
	cov := mat.NewSymDense(2, []float64{4, 1.2, 1.2, 1})
	for j, mean := range []float64{1, -2} {
		if math.Abs(m.Mean[j]-mean) > 5*m.MeanSE[j] || math.Abs(m.MeanSE[j]/math.Sqrt(cov.At(j, j)/n)-1) > 0.05 {
			t.Errorf("mean %d: %v ± %v, want %v", j, m.Mean[j], m.MeanSE[j], mean)
		}
		for k := range 2 {
			want := cov.At(j, k)
			// Isserlis: var of a product of centred Gaussians is C_jj C_kk + C_jk^2.
			se := math.Sqrt((cov.At(j, j)*cov.At(k, k) + want*want) / n)
			if math.Abs(m.Cov.At(j, k)-want) > 5*se || math.Abs(m.CovSE.At(j, k)/se-1) > 0.1 {
				t.Errorf("cov %d%d: %v ± %v, want %v ± %v", j, k, m.Cov.At(j, k), m.CovSE.At(j, k), want, se)
			}
		}
	}
	if _, err := MomentsOf(mat.NewDense(1, 2, nil)); err == nil {
		t.Error("a single row has no covariance, yet no error")
	}
}
