package sampler

import (
	"context"
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/metric"
	"github.com/scoresde/scoresde/pkg/sde"
)

// forwardChain is the law of forward Euler-Maruyama from a point: mean slope*x_0 and variance.
func forwardChain(s sde.SDE, n int) moments {
	grid := scheduleOf(s)(n, s.Span())
	ls := levels(s, grid)
	x := moments{1, 0}
	for i := n; i > 0; i-- {
		dt := ls[i-1].t - ls[i].t
		x = line{A: 1 + ls[i].drift*dt, C: ls[i].g * math.Sqrt(dt)}.apply(x)
	}
	return x
}

// TestForward: Algorithm 1 from a point has the moments of its own linear chain, and those go to the kernel as 1/N.
func TestForward(t *testing.T) {
	const n = 2000
	point := target{mean: []float64{3, -2}}
	data := mat.NewDense(n, 2, nil)
	for i := range n {
		data.SetRow(i, point.mean)
	}
	for _, s := range sde.All() {
		set := Settings{Steps: 50, Schedule: scheduleOf(s), Seed: 11}
		r, err := Forward(context.Background(), backend.Go(), data, s, set)
		if err != nil {
			t.Fatal(err)
		}
		point.checkMoments(t, s.String(), r.Samples(), forwardChain(s, 50), 0)
		if span := s.Span(); r.Grid[0] != span.Eps || r.Grid[50] != span.T || r.NFE != 0 {
			t.Errorf("%s: ran from %g to %g with %d evaluations", s, r.Grid[0], r.Grid[50], r.NFE)
		}
		ends := levels(s, []float64{s.Span().Eps, s.Span().T})
		a := ends[1].alpha / ends[0].alpha
		kernel := moments{a, ends[1].sigma*ends[1].sigma - a*a*ends[0].sigma*ends[0].sigma}
		gap := func(n int) float64 {
			x := forwardChain(s, n)
			return math.Abs(x.slope-kernel.slope) + math.Abs(x.variance/kernel.variance-1)
		}
		if e := gap(2000); e > 1e-9 { // some chains are exact
			closeTo(t, fmt.Sprintf("%s: order of the gap to the kernel, %.2g", s, e), math.Log2(gap(1000)/e), 1, 0.3)
			if e > 0.02 {
				t.Errorf("%s: 2000 steps miss the kernel by %.3g", s, e)
			}
		}
	}
}

// TestForwardPath takes snapshots on the way up; the law of each is the noised law of the data.
func TestForwardPath(t *testing.T) {
	const n = 3000
	law := dist.FourGaussians()
	s := sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	set := Settings{Steps: 1000, Seed: 3, Snapshots: []float64{0.25, 0.5, 1}}
	for name, b := range backendtest.All(t) {
		r, err := Forward(context.Background(), b, law.Sample(source(1), n), s, set)
		if err != nil {
			t.Fatal(err)
		}
		for i, snap := range r.Snapshots {
			closeTo(t, "time of the snapshot", snap.T, set.Snapshots[i], 6e-4)
			_, sigma := sde.At(s, snap.T)
			want := 0.54 + sigma*sigma // per coordinate: 1/2 + 0.2^2 of the data
			var squares []float64
			for _, v := range flat(snap.X) {
				squares = append(squares, v*v)
			}
			got, se := average(squares)
			closeTo(t, fmt.Sprintf("%s: variance at t = %.2g", name, snap.T), got, want, 5*se+0.006*want)
		}
	}
}

// TestBackward: Algorithm 2 reproduces the law of the data from that of the noise.
func TestBackward(t *testing.T) {
	const n = 1000
	law := dist.FourGaussians()
	p := fourGaussians(n)
	q := newTarget(2, p.SDE.PriorStd())
	q.mean = []float64{0, 0}
	for name, b := range backendtest.All(t) {
		m := PC{Predictor: ReverseDiffusion{}}
		r, err := Backward(context.Background(), b, p, q.law(), m, Settings{Steps: 300, Seed: 5, Snapshots: []float64{1}})
		if err != nil {
			t.Fatal(err)
		}
		x, exact := r.Samples(), law.Sample(source(9), n)
		if e := must(metric.EnergyTwoSample(source(10), x, exact, 200)); e.P < 1e-3 {
			t.Errorf("%s: energy test against the data: %+v", name, e)
		}
		start := r.Snapshots[0].Samples()
		if !mat.EqualApprox(start, q.law().Sample(source(5), n), 1e-5) {
			t.Errorf("%s: the start is not the sample of q that the seed gives", name)
		}
		// The test must see a wrong law: the same with half of the noise.
		narrow := Tensor(start, dtypes.Float32)
		half := must(Run(context.Background(), b, p, m, Settings{Steps: 2, Init: narrow}))
		if e := must(metric.EnergyTwoSample(source(10), half.Samples(), exact, 200)); e.P > 0.01 {
			t.Errorf("%s: the energy test takes the result of 2 steps for the law: %+v", name, e)
		}
	}
}

// TestEmpirical checks moments and draws of three points.
func TestEmpirical(t *testing.T) {
	e := Empirical{mat.NewDense(3, 2, []float64{0, 0, 3, 0, 0, 6})}
	mean, cov := e.Mean(), e.Cov()
	for k, want := range []float64{1, 2} {
		closeTo(t, "mean", mean[k], want, 1e-12)
	}
	for k, want := range []float64{3, -3, -3, 12} {
		closeTo(t, "covariance", cov.At(k/2, k%2), want, 1e-12)
	}
	const n = 30000
	x := e.Sample(source(1), n)
	counts := map[[2]float64]float64{}
	for i := range n {
		counts[[2]float64{x.At(i, 0), x.At(i, 1)}]++
	}
	if len(counts) != 3 {
		t.Errorf("drew %d different points, want the 3", len(counts))
	}
	for point, k := range counts {
		closeTo(t, fmt.Sprintf("frequency of %v", point), k/n, 1.0/3, 5*math.Sqrt(2.0/9/n))
	}
}

// TestConversions: tensors and matrices keep rows and precision.
func TestConversions(t *testing.T) {
	m := mat.NewDense(2, 3, []float64{1, 2, 3, 4, math.Pi, 6})
	if !mat.Equal(Matrix(Tensor(m, dtypes.Float64)), m) {
		t.Error("float64 does not survive")
	}
	if !mat.EqualApprox(Matrix(Tensor(m.T(), dtypes.Float32)), m.T(), 1e-6) {
		t.Error("a transposed matrix changes")
	}
}
