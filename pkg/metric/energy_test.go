package metric

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"gonum.org/v1/gonum/mat"
)

// normal draws [n, d] standard normal rows shifted by `shift` along the first axis.
func normal(rng *rand.Rand, n, d int, shift float64) *mat.Dense {
	x := mat.NewDense(n, d, nil)
	for i := range n {
		for j := range d {
			x.Set(i, j, rng.NormFloat64())
		}
		x.Set(i, 0, x.At(i, 0)+shift)
	}
	return x
}

// naiveEnergy is the U-statistic written as the definition says.
func naiveEnergy(x, y mat.Matrix) float64 {
	mean := func(a, b mat.Matrix, same bool) float64 {
		n, d := a.Dims()
		m, _ := b.Dims()
		var s, count float64
		for i := range n {
			for j := range m {
				if same && i == j {
					continue
				}
				var q float64
				for k := range d {
					q += math.Pow(a.At(i, k)-b.At(j, k), 2)
				}
				s += math.Sqrt(q)
				count++
			}
		}
		return s / count
	}
	return 2*mean(x, y, false) - mean(x, x, true) - mean(y, y, true)
}

func TestEnergyDistanceMatchesDefinition(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	for d := 1; d <= 3; d++ {
		x, y := normal(rng, 37, d, 0), normal(rng, 22, d, 0.7)
		got, err := EnergyDistance(x, y)
		if err != nil {
			t.Fatal(err)
		}
		if want := naiveEnergy(x, y); math.Abs(got-want) > 1e-12 {
			t.Errorf("d=%d: energy distance %v, definition gives %v", d, got, want)
		}
	}
}

// For X ~ N(0,1) and Y ~ N(mu,1), X-Y ~ N(-mu, 2), whose mean absolute value is that of a folded normal.
func TestEnergyDistanceOfShiftedGaussians(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 1))
	for _, mu := range []float64{0, 0.5, 2} {
		s := math.Sqrt2
		folded := s*math.Sqrt(2/math.Pi)*math.Exp(-mu*mu/(2*s*s)) + mu*math.Erf(mu/(s*math.Sqrt2))
		want := 2*folded - 4/math.Sqrt(math.Pi)
		est := make([]float64, 60)
		for r := range est {
			var err error
			if est[r], err = EnergyDistance(normal(rng, 200, 1, 0), normal(rng, 150, 1, mu)); err != nil {
				t.Fatal(err)
			}
		}
		mean, se := total(est)/float64(len(est)), meanSE(est)
		if math.Abs(mean-want) > 5*se {
			t.Errorf("mu=%v: mean of %d energy distances %v ± %v, closed form %v", mu, len(est), mean, se, want)
		}
	}
}

// The split formula must give the energy distance of the two groups of every split, whichever group is smaller.
func TestSplitsMatchDirectDistance(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 1))
	for _, nm := range [][2]int{{15, 15}, {9, 20}, {20, 9}} {
		n, m, d := nm[0], nm[1], 2
		pool := normal(rng, n+m, d, 0)
		all := splits(rng, n, m, 4)
		for k, got := range splitEnergies(pool.RawMatrix().Data, d, all) {
			var in, out []float64
			for i := range n + m {
				if slices.Contains(all[k].group, int32(i)) {
					in = append(in, pool.RawRowView(i)...)
				} else {
					out = append(out, pool.RawRowView(i)...)
				}
			}
			want := naiveEnergy(mat.NewDense(len(in)/d, d, in), mat.NewDense(len(out)/d, d, out))
			if math.Abs(got-want) > 1e-12 {
				t.Errorf("n=%d m=%d split %d: %v, direct %v", n, m, k, got, want)
			}
		}
	}
}

func TestEnergyTwoSampleCalibration(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 1))
	const reps = 400
	low, above99 := 0, 0
	for range reps {
		test, err := EnergyTwoSample(rng, normal(rng, 40, 2, 0), normal(rng, 30, 2, 0), 199)
		if err != nil {
			t.Fatal(err)
		}
		if test.P <= 0.1 {
			low++
		}
		if test.Distance > test.Null99 {
			above99++
		}
	}
	// 5 binomial standard errors around 0.1 and (one-sided) 0.01.
	if p := float64(low) / reps; math.Abs(p-0.1) > 5*math.Sqrt(0.09/reps) {
		t.Errorf("P(p <= 0.1) = %v under the null, want 0.1", p)
	}
	if p := float64(above99) / reps; p > 0.01+5*math.Sqrt(0.0099/reps) {
		t.Errorf("P(distance > Null99) = %v under the null, want 0.01", p)
	}
	test, err := EnergyTwoSample(rng, normal(rng, 400, 2, 0), normal(rng, 400, 2, 0.5), 199)
	if err != nil {
		t.Fatal(err)
	}
	if test.P > 0.01 || test.Distance < test.Null99 {
		t.Errorf("a shift of half a standard deviation is not seen: %v vs 99%% null %v, p %v", test.Distance, test.Null99, test.P)
	}
}

func TestEnergySpeed(t *testing.T) {
	rng := rand.New(rand.NewPCG(5, 1))
	x, y := normal(rng, 4000, 2, 0), normal(rng, 4000, 2, 0)
	start := time.Now()
	if _, err := EnergyDistance(x, y); err != nil {
		t.Fatal(err)
	}
	t.Logf("4000 x 4000: %v", time.Since(start))
	start = time.Now()
	if _, err := EnergyTwoSample(rng, x.Slice(0, 2000, 0, 2), y.Slice(0, 2000, 0, 2), 200); err != nil {
		t.Fatal(err)
	}
	took := time.Since(start)
	t.Logf("2000 + 2000, 200 permutations: %v", took)
	if took > 10*time.Second {
		t.Errorf("permutation test took %v, want well under 10 s on any machine", took)
	}
}

func TestEnergyErrors(t *testing.T) {
	ok := mat.NewDense(3, 2, []float64{1, 2, 3, 4, 5, 6})
	bad := mat.NewDense(3, 2, []float64{1, 2, 3, 4, math.NaN(), 6})
	for _, c := range []struct {
		x, y mat.Matrix
		want string
	}{
		{ok, bad, "y has NaN in row 2, column 0"},
		{ok, mat.NewDense(3, 1, nil), "x has 2 columns and y has 1"},
		{&mat.Dense{}, ok, "x is [0, 0]"},
		{ok, mat.NewDense(1, 2, nil), "y is [1, 2], want at least 2 rows"},
		{nil, ok, "x is nil"},
	} {
		if _, err := EnergyDistance(c.x, c.y); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("error %v, want %q", err, c.want)
		}
	}
	rng := rand.New(rand.NewPCG(1, 1))
	if _, err := EnergyTwoSample(rng, ok, ok, 10); err == nil || !strings.Contains(err.Error(), "10 permutations") {
		t.Errorf("error %v, want one about the permutations", err)
	}
	if _, err := EnergyTwoSample(nil, ok, ok, 100); err == nil || !strings.Contains(err.Error(), "rng is nil") {
		t.Errorf("error %v, want one about rng", err)
	}
}

func TestNullAt(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 4))
	test, err := EnergyTwoSample(rng, normal(rng, 40, 1, 0), normal(rng, 40, 1, 0), 500)
	if err != nil {
		t.Fatal(err)
	}
	if test.NullAt(0.99) != test.Null99 || test.NullAt(0.998) != test.Null[498] {
		t.Errorf("null at 0.99 %v and 0.998 %v, want %v and %v", test.NullAt(0.99), test.NullAt(0.998), test.Null99, test.Null[498])
	}
}
