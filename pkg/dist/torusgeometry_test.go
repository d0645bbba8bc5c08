package dist

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/metric"
)

// TestTorusGeometry samples the surface and moves off along the normal.
func TestTorusGeometry(t *testing.T) {
	law := must(NewTorus(1, 0.4))
	if std := math.Sqrt(mat.Trace(law.Cov()) / 3); math.Abs(std-0.6633) > 5e-5 {
		t.Errorf("standard deviation per coordinate %g, want 0.6633", std)
	}
	on := law.Sample(rand.New(rand.NewPCG(3, 4)), 20000)
	phi, theta, err := law.Angles(on)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]struct {
		angles []float64
		cdf    func(float64) float64
	}{"phi": {phi, law.PhiCDF}, "theta": {theta, law.ThetaCDF}} {
		if stat, p, err := metric.KS(c.angles, c.cdf); err != nil || p < 1e-3 {
			t.Errorf("%s: KS %g, p = %g, %v", name, stat, p, err)
		}
	}
	if stat, p, err := metric.KS(theta, law.PhiCDF); err != nil || p > 1e-3 {
		t.Errorf("theta passes for uniform: KS %g, p = %g, %v", stat, p, err)
	}
	checkAverage(t, "cos theta", len(theta), 0.2, func(i int) float64 { return math.Cos(theta[i]) })
	normal := must(law.Normal(on))
	for _, d := range []float64{-0.35, -0.1, 0, 0.2, 3} {
		var off mat.Dense
		off.Scale(d, normal)
		off.Add(on, &off)
		off2 := mat.DenseCopyOf(off.Slice(0, 200, 0, 3))
		distance := must(law.Distance(off2))
		for i, got := range distance {
			// Far inwards another sheet is nearer.
			if q := 1 + 0.4*math.Cos(theta[i]); d*math.Cos(theta[i]) > -q && math.Abs(got-d) > 1e-12 {
				t.Errorf("distance %g, want %g", got, d)
			}
		}
		if d <= 0.2 {
			var gap mat.Dense
			gap.Sub(must(law.Nearest(off2)), on.Slice(0, 200, 0, 3))
			if worst := mat.Norm(&gap, math.Inf(1)); worst > 1e-12 {
				t.Errorf("moved by %g, the nearest point is off by %g", d, worst)
			}
		}
	}
	phi, theta, err = law.Angles(mat.NewDense(3, 3, []float64{0, 0, 2, 1, 0, 0, 1.4, -1e-300, -1e-300}))
	if err != nil || phi[0] != 0 || theta[1] != 0 || phi[2] != 0 || theta[2] != 0 {
		t.Errorf("angles of points without direction: %v, %v, %v", phi, theta, err)
	}
}

func TestTorusRefuses(t *testing.T) {
	for _, r := range [][2]float64{{1, 1}, {1, 2}, {1, 0}, {1, -0.5}, {math.Inf(1), 1}, {math.NaN(), 0.1}, {1, math.NaN()}} {
		if _, err := NewTorus(r[0], r[1]); err == nil {
			t.Errorf("torus with radii %g accepted", r)
		}
	}
	law := must(NewTorus(1, 0.4))
	for _, x := range []mat.Matrix{nil, mat.NewDense(2, 2, nil), mat.NewDense(1, 3, []float64{0, math.NaN(), 0})} {
		if _, err := law.Distance(x); err == nil {
			t.Errorf("distance of %v accepted", x)
		}
	}
}
