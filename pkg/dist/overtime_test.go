package dist

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/scoresde/scoresde/pkg/sde"
)

// TestDensityOverTime against the normal density with the moments of the kernel.
func TestDensityOverTime(t *testing.T) {
	law, err := NewIsotropicGaussian([]float64{2}, 0.5)
	if err != nil {
		t.Fatal(err)
	}
	x, ts := []float64{-1, 0.3, 2}, []float64{0.1, 0.9}
	got, err := DensityOverTime(law, sde.OU1(), x, ts)
	if err != nil {
		t.Fatal(err)
	}
	for j, at := range ts {
		a := math.Exp(-at)
		want := distuv.Normal{Mu: 2 * a, Sigma: math.Sqrt(a*a*0.25 + 1 - a*a)}
		for i := range x {
			if p := want.Prob(x[i]); math.Abs(got.At(i, j)-p) > 1e-12 {
				t.Errorf("p_%g(%g) = %g, want %g", at, x[i], got.At(i, j), p)
			}
		}
	}
	for name, err := range map[string]error{
		"plane":    second(DensityOverTime(FourGaussians(), sde.OU1(), x, ts)),
		"no point": second(DensityOverTime(law, sde.OU1(), nil, ts)),
		"no time":  second(DensityOverTime(law, sde.OU1(), x, nil)),
	} {
		if err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func second(_ *mat.Dense, err error) error { return err }
