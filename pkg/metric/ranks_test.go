package metric

import (
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// conjugate simulates theta ~ N(0, 1), y = theta + N(0, 1) and draws from the posterior N(y/2, 1/2), shifted and
// stretched about its mean; values are rounded to multiples of grid if that is positive.
func conjugate(rng *rand.Rand, s, l int, shift, stretch, grid float64) ([]float64, *mat.Dense) {
	truth, draws := make([]float64, s), mat.NewDense(s, l, nil)
	round := func(v float64) float64 {
		if grid > 0 {
			return grid * math.Round(v/grid)
		}
		return v
	}
	for i := range truth {
		theta := rng.NormFloat64()
		y := theta + rng.NormFloat64()
		truth[i] = round(theta)
		for j := range l {
			draws.Set(i, j, round(y/2+shift+stretch*math.Sqrt(0.5)*rng.NormFloat64()))
		}
	}
	return truth, draws
}

func ranksOf(t *testing.T, truth []float64, draws mat.Matrix, rng *rand.Rand) Ranks {
	t.Helper()
	r, err := RanksOf(truth, draws, rng)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func chiSquared(t *testing.T, r Ranks, bins int) (stat, p float64) {
	t.Helper()
	stat, p, err := r.ChiSquared(bins)
	if err != nil {
		t.Fatal(err)
	}
	return stat, p
}

// TestRanks accepts the exact posterior, also where ties are the rule, and finds what is wrong with others.
func TestRanks(t *testing.T) {
	const s, l, bins = 4000, 99, 20
	for name, c := range map[string]struct{ shift, stretch, grid float64 }{"exact": {0, 1, 0}, "ties": {0, 1, 1}} {
		rng := rand.New(rand.NewPCG(1, 9))
		truth, draws := conjugate(rng, s, l, c.shift, c.stretch, c.grid)
		if stat, p := chiSquared(t, ranksOf(t, truth, draws, rng), bins); p < 1e-3 {
			t.Errorf("%s: chi-squared %v, p %v", name, stat, p)
		}
	}
	for name, c := range map[string]struct {
		shift, stretch float64
		heaped         []int // bins that hold more than their band
	}{"wide": {0, 1.5, []int{9, 10}}, "narrow": {0, 0.7, []int{0, 19}}, "high": {0.2, 1, []int{0}}, "low": {-0.2, 1, []int{19}}} {
		rng := rand.New(rand.NewPCG(1, 9))
		truth, draws := conjugate(rng, s, l, c.shift, c.stretch, 0)
		r := ranksOf(t, truth, draws, rng)
		if stat, p := chiSquared(t, r, bins); p > 1e-6 {
			t.Errorf("%s: chi-squared %v, p %v, want a rejection", name, stat, p)
		}
		counts, err := r.Bins(bins)
		if err != nil {
			t.Fatal(err)
		}
		_, high, err := r.Band(bins)
		if err != nil {
			t.Fatal(err)
		}
		for _, b := range c.heaped {
			if counts[b] <= high {
				t.Errorf("%s: %d in bin %d, want more than %d", name, counts[b], b, high)
			}
		}
	}
}

// TestRanksNull repeats the test of an exact posterior: its p-values are uniform, and so the band and that of the
// distribution function hold what they promise at each point.
func TestRanksNull(t *testing.T) {
	rng := rand.New(rand.NewPCG(2, 9))
	const reps, s, l, bins = 200, 600, 19, 10
	var p []float64
	outsideBins, outsideECDF := 0, 0
	for range reps {
		truth, draws := conjugate(rng, s, l, 0, 1, 0)
		r := ranksOf(t, truth, draws, rng)
		_, value := chiSquared(t, r, bins)
		p = append(p, value)
		counts, _ := r.Bins(bins)
		low, high, err := r.Band(bins)
		if err != nil {
			t.Fatal(err)
		}
		if counts[3] < low || counts[3] > high {
			outsideBins++
		}
		difference, lows, highs := r.ECDF()
		if difference[7] < lows[7]-1e-12 || difference[7] > highs[7]+1e-12 {
			outsideECDF++
		}
	}
	if stat, value, err := KS(p, uniformCDF); err != nil || value < 1e-3 {
		t.Errorf("p-values: KS %v, p %v (%v)", stat, value, err)
	}
	// P(more than 9 of 200 outside) is below 1e-3 at 0.01 each.
	if outsideBins > 9 || outsideECDF > 9 {
		t.Errorf("%d counts and %d values of the distribution function outside their bands in %d repetitions", outsideBins, outsideECDF, reps)
	}
}

// TestRanksBand compares with the binomial sums: at least 0.005 and less than 0.995 on each side.
func TestRanksBand(t *testing.T) {
	r := Ranks{S: 200, L: 9, Counts: make([]int, 10)}
	low, high, err := r.Band(5)
	if err != nil {
		t.Fatal(err)
	}
	below := func(k int) (sum float64) { // P(count <= k)
		for j := range k + 1 {
			a, _ := math.Lgamma(201)
			b, _ := math.Lgamma(float64(j + 1))
			c, _ := math.Lgamma(float64(201 - j))
			sum += math.Exp(a - b - c + float64(j)*math.Log(0.2) + float64(200-j)*math.Log(0.8))
		}
		return sum
	}
	if below(low) < 0.005 || below(low-1) >= 0.005 || below(high) < 0.995 || below(high-1) >= 0.995 {
		t.Errorf("band %d to %d with P = %v to %v", low, high, below(low-1), below(high))
	}
}

func TestRanksSmallCase(t *testing.T) {
	r := ranksOf(t, []float64{0, 5, 1.5, 1.5}, mat.NewDense(4, 3, []float64{1, 2, 3, 1, 2, 3, 3, 1, 2, 2, 1, 1}), rand.New(rand.NewPCG(3, 9)))
	if want := []int{1, 1, 1, 1}; !slices.Equal(r.Counts, want) || r.S != 4 || r.L != 3 {
		t.Errorf("%+v, want one simulation of each rank", r)
	}
	r = Ranks{S: 20, L: 3, Counts: []int{2, 4, 8, 6}}
	if stat, p := chiSquared(t, r, 2); math.Abs(stat-3.2) > 1e-14 || math.Abs(p-math.Erfc(math.Sqrt(1.6))) > 1e-12 {
		t.Errorf("chi-squared %v with p %v, want (6-10)^2/10 + (14-10)^2/10 and erfc(sqrt(1.6))", stat, p)
	}
	difference, low, high := r.ECDF()
	for i, want := range []float64{-0.15, -0.2, -0.05, 0} {
		if math.Abs(difference[i]-want) > 1e-15 || low[i] > 0 || high[i] < 0 {
			t.Errorf("difference %v at rank %d in [%v, %v], want %v", difference[i], i, low[i], high[i], want)
		}
	}
}

func TestRanksErrors(t *testing.T) {
	rng := rand.New(rand.NewPCG(4, 9))
	r := Ranks{S: 20, L: 3, Counts: []int{2, 4, 8, 6}}
	for want, call := range map[string]func() error{
		"truth has 0 values":  func() error { _, err := RanksOf(nil, mat.NewDense(1, 1, nil), rng); return err },
		"draws is nil":        func() error { _, err := RanksOf([]float64{1}, nil, rng); return err },
		"draws has 2 rows":    func() error { _, err := RanksOf([]float64{1}, mat.NewDense(2, 1, nil), rng); return err },
		"rng is nil":          func() error { _, err := RanksOf([]float64{1}, mat.NewDense(1, 1, nil), nil); return err },
		"truth has NaN":       func() error { _, err := RanksOf([]float64{math.NaN()}, mat.NewDense(1, 1, nil), rng); return err },
		"3 bins":              func() error { _, err := r.Bins(3); return err },
		"0 bins":              func() error { _, _, err := r.Band(0); return err },
		"at least 2 bins":     func() error { _, _, err := r.ChiSquared(1); return err },
		"simulations in 4":    func() error { _, _, err := Ranks{S: 19, L: 3, Counts: []int{2, 4, 8, 5}}.ChiSquared(4); return err },
		"want a divisor of 4": func() error { _, _, err := r.Band(8); return err },
		"draws has NaN in row": func() error {
			_, err := RanksOf([]float64{1}, mat.NewDense(1, 1, []float64{math.NaN()}), rng)
			return err
		},
	} {
		if err := call(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("error %v, want one with %q", err, want)
		}
	}
}
