package study

import (
	"context"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

func gaussianProblem(t *testing.T, s sde.SDE) (sampler.Problem, dist.Law) {
	t.Helper()
	law, err := dist.NewIsotropicGaussian([]float64{0.5}, 0.7)
	if err != nil {
		t.Fatal(err)
	}
	return sampler.Problem{SDE: s, Score: score.Exact(law, s).Score(), DType: dtypes.Float64, N: 1, Shape: []int{1}}, law
}

// TestCoupledOrder: with additive noise the paths of Euler-Maruyama converge with strong order 1.
func TestCoupledOrder(t *testing.T) {
	s := sde.OU{Rate: 1, Times: sde.Span{Eps: 1e-3, T: 1}}
	p, law := gaussianProblem(t, s)
	start := law.Noised(sde.At(s, 1)).Sample(rand.New(rand.NewPCG(1, 0)), 400)
	ends, err := Coupled(backend.Go(), p, start, []int{16, 32, 64, 1024}, 3)
	if err != nil {
		t.Fatal(err)
	}
	rms := func(k int) float64 {
		var d mat.Dense
		d.Sub(ends[k], ends[3])
		return mat.Norm(&d, 2)
	}
	for k := range 2 {
		if order := math.Log2(rms(k) / rms(k+1)); math.Abs(order-1) > 0.2 {
			t.Errorf("errors fall with order %.3f between %d and %d steps, want 1", order, 16<<k, 32<<k)
		}
	}
	if _, err := Coupled(backend.Go(), p, start, []int{3, 16}, 3); err == nil {
		t.Error("3 does not divide 16: want an error")
	}
}

// TestIncrements: the reverse increment has mean 0 and variance s, and is uncorrelated with the end of the path; the
// forward increment is correlated with it.
func TestIncrements(t *testing.T) {
	s := sde.OU{Rate: 1, Times: sde.Span{Eps: 1e-3, T: 0.5}}
	p, law := gaussianProblem(t, s)
	p.N = 10000
	var times []float64
	for i := range 101 {
		times = append(times, 1e-3+float64(i)*(0.499/100))
	}
	data := law.Noised(sde.At(s, 1e-3)).Sample(rand.New(rand.NewPCG(1, 0)), p.N)
	path, err := sampler.Forward(context.Background(), backend.Go(), data, s, sampler.Settings{Steps: 100, Snapshots: times, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	p.DType = dtypes.Float32 // that of Forward
	forward, reverse, err := Increments(backend.Go(), p, path.Snapshots)
	if err != nil {
		t.Fatal(err)
	}
	end := path.Samples().RawMatrix().Data
	f, r := forward.RawMatrix().Data, reverse.RawMatrix().Data
	span, n := 0.499, float64(p.N)
	if m := stat.Mean(r, nil); math.Abs(m) > 5*math.Sqrt(span/n) {
		t.Errorf("reverse increment has mean %.4f", m)
	}
	if v := stat.Variance(r, nil); math.Abs(v/span-1) > 5*math.Sqrt(2/n)+0.01 {
		t.Errorf("reverse increment has variance %.4f, want %.4f", v, span)
	}
	if c := stat.Correlation(r, end, nil); math.Abs(c) > 5/math.Sqrt(n)+0.01 {
		t.Errorf("reverse increment has correlation %.4f with the end, want 0", c)
	}
	if c := stat.Correlation(f, end, nil); c < 0.5 {
		t.Errorf("forward increment has correlation %.4f with the end, want a large one", c)
	}
}
