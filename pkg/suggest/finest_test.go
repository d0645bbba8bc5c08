package suggest

import (
	"math"
	"math/rand/v2"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dist"
)

func isotropic(t *testing.T, d int, std float64) dist.Law {
	t.Helper()
	g, err := dist.NewIsotropicGaussian(make([]float64, d), std)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func finestOf(t *testing.T, l dist.Law, n int) finest {
	t.Helper()
	f, err := finestScale(sampleRows(l.Sample(rand.New(rand.NewPCG(8, 0)), n), n))
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// TestFinestScale: on laws with a smooth density it is sqrt(d / E|score|^2), with the expectation under the exact score,
// whatever the other scales of the law.
func TestFinestScale(t *testing.T) {
	two, err := dist.NewIsotropicMixture([]float64{0.5, 0.5}, mat.NewDense(2, 2, []float64{0, 0, 10, 0}), []float64{0.01, 1})
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		law dist.Law
		tol float64
	}{
		{isotropic(t, 1, 3), 0.2}, {isotropic(t, 2, 0.5), 0.1}, {isotropic(t, 8, 1), 0.12},
		{dist.FourGaussians(), 0.12}, {two, 0.12},
	} {
		d := c.law.Dim()
		x := c.law.Sample(rand.New(rand.NewPCG(9, 0)), 20000)
		score, err := dist.ScoreAt(c.law, x, 1, 0)
		if err != nil {
			t.Fatal(err)
		}
		want := math.Sqrt(float64(d) / secondMoment(score))
		if got := finestOf(t, c.law, 500).length; math.Abs(math.Log(got/want)) > c.tol {
			t.Errorf("%s: %g, want %g within %g%%", c.law, got, want, 100*c.tol)
		}
	}
}

// TestFinestScaleOfSize: four times the points halve the distances to the nearest neighbours in two dimensions, but
// leave the finest scale of a density as it is; on a curve they quarter it.
func TestFinestScaleOfSize(t *testing.T) {
	nearest := func(l dist.Law, n int) float64 {
		p := newNeighbours(sampleRows(l.Sample(rand.New(rand.NewPCG(8, 0)), n), n).rows)
		var all []float64
		for _, r := range p.sorted {
			all = append(all, math.Sqrt(r[0]))
		}
		slices.Sort(all)
		return all[n/2]
	}
	law := dist.FourGaussians()
	if ratio := nearest(law, 250) / nearest(law, 1000); ratio < 1.7 {
		t.Fatalf("nearest neighbours came nearer by %g, want 2", ratio)
	}
	if ratio := finestOf(t, law, 250).length / finestOf(t, law, 1000).length; math.Abs(math.Log(ratio)) > 0.2 {
		t.Errorf("the finest scale changed by %g", ratio)
	}
	circle := mat.NewDense(800, 2, nil)
	rng := rand.New(rand.NewPCG(1, 1))
	for i := range 800 {
		angle := 2 * math.Pi * rng.Float64()
		circle.SetRow(i, []float64{math.Cos(angle), math.Sin(angle)})
	}
	f, err := finestScale(sampleRows(circle, 800))
	if err != nil {
		t.Fatal(err)
	}
	if ratio := f.half / f.length; ratio < 1.6 || ratio > 2.6 {
		t.Errorf("on a circle half of the points see a finest scale %g times as large, want about 2", ratio)
	}
}

// TestFinestScaleOfUniform: edges of a density are seen as finely as the points allow, between the width of the law and
// the distance of neighbours.
func TestFinestScaleOfUniform(t *testing.T) {
	before := 1.0
	for _, n := range []int{50, 1000} {
		l := finestOf(t, dist.Unit(), n).length
		if !(l < before && l > 10/float64(n)) {
			t.Errorf("%d points of U[0, 1]: %g, want less than %g and more than ten gaps", n, l, before)
		}
		before = l
	}
}

// TestFinestScaleOfPoints: a single neighbour is a kernel as wide as its distance over sqrt(d), so that two points have
// that scale; repeating points does not change it.
func TestFinestScaleOfPoints(t *testing.T) {
	for copies := range 3 {
		x := mat.NewDense(2*(copies+1), 4, nil)
		for i := range 2 * (copies + 1) {
			x.SetRow(i, []float64{3 * float64(i%2), 4 * float64(i%2), 0, 0})
		}
		f, err := finestScale(sampleRows(x, 100))
		if err != nil {
			t.Fatal(err)
		}
		if math.Abs(f.length-2.5) > 1e-12 {
			t.Errorf("%d copies of two points at distance 5 in 4 dimensions: %g, want 2.5", copies+1, f.length)
		}
	}
}

// TestFieldBound: the bound at a point is -(|f|^2 + 2 div f) of the kernels' score, taken by finite differences.
func TestFieldBound(t *testing.T) {
	x := dist.FourGaussians().Sample(rand.New(rand.NewPCG(2, 0)), 12)
	p := newNeighbours(sampleRows(x, 12).rows)
	widths := make([]width, 12)
	for j := range widths {
		v := 0.1 + 0.05*float64(j)
		widths[j] = width{reach: -1, v: v, volume: math.Log(v)} // d/2 ln v with d = 2
	}
	const i, h = 4, 1e-4
	logDensity := func(dx, dy float64) float64 {
		sum := 0.0
		for j, c := range p.rows {
			if j != i {
				r := squaredDistance(c, []float64{p.rows[i][0] + dx, p.rows[i][1] + dy})
				sum += math.Exp(-r/(2*widths[j].v)) / widths[j].v
			}
		}
		return math.Log(sum)
	}
	fx := (logDensity(h, 0) - logDensity(-h, 0)) / (2 * h)
	fy := (logDensity(0, h) - logDensity(0, -h)) / (2 * h)
	laplace := (logDensity(h, 0) + logDensity(-h, 0) + logDensity(0, h) + logDensity(0, -h) - 4*logDensity(0, 0)) / (h * h)
	want := -(fx*fx + fy*fy + 2*laplace)
	if got := p.bound(i, widths); math.Abs(got-want) > 1e-5*math.Abs(want) {
		t.Errorf("got %g, by differences %g", got, want)
	}
}
