package metric

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestBlockErrors: std/sqrt(m) without a bias, sqrt(std^2/m + bias^2) with one.
func TestBlockErrors(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	x := make([]float64, 1<<16)
	for i := range x {
		x[i] = 3 + 2*rng.NormFloat64()
	}
	for _, bias := range []float64{0, 0.1} {
		m, rms, err := BlockErrors(x, 3-bias)
		if err != nil {
			t.Fatal(err)
		}
		if len(m) != 9 || m[0] != 16 || m[8] != 4096 {
			t.Fatalf("block sizes %v, want 16 to 4096", m)
		}
		for i := range m {
			blocks := float64(len(x)) / m[i]
			want := math.Sqrt(4/m[i] + bias*bias)
			if math.Abs(rms[i]/want-1) > 5/math.Sqrt(2*blocks) {
				t.Errorf("bias %g, m = %g: error %.4f, want %.4f", bias, m[i], rms[i], want)
			}
		}
	}
	if _, _, err := BlockErrors(x[:255], 3); err == nil {
		t.Error("255 values: want an error")
	}
	if _, _, err := BlockErrors(x, math.NaN()); err == nil {
		t.Error("exact NaN: want an error")
	}
}
