package sampler

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/metric"
	"github.com/scoresde/scoresde/pkg/sde"

	. "github.com/gomlx/gomlx/core/graph"
)

// TestSimulateAffine: an affine process, simulated as if its kernel were unknown, has its moments at every snapshot.
func TestSimulateAffine(t *testing.T) {
	const n = 20000
	s := sde.VP{BetaMin: 0.1, BetaMax: 8}
	data := target{[]float64{0.5, -1}, 0.3}
	x0 := data.law().Sample(source(4), n)
	for name, b := range backendtest.All(t) {
		r := must(Simulate(context.Background(), b, x0, sde.Affine(s), Settings{Steps: 100, Seed: 2, Snapshots: []float64{0, 0.25, 1}}))
		for k, at := range []float64{0, 0.25, 1} {
			snap := r.Snapshots[k]
			closeTo(t, "time of the snapshot", snap.T, at, 1e-12)
			l := level{sigma: 0, alpha: 1}
			if at > 0 {
				l = levels(s, []float64{at})[0]
			}
			data.checkMoments(t, fmt.Sprintf("%s at t = %g", name, at), snap.Samples(), moments{l.alpha, l.v(data.std)}, 0)
		}
		if !slices.IsSorted(r.Grid) || r.NFE != 0 {
			t.Errorf("grid %v, %d evaluations", r.Grid, r.NFE)
		}
	}
}

// TestSimulateDoubleWell: from a blob between the wells, which is symmetric, the law at t = 1 is the stationary one
// (Kolmogorov-Smirnov), and that at t = 0.1 is not.
func TestSimulateDoubleWell(t *testing.T) {
	const n = 5000
	wells := sde.DoubleWell{Depth: 1, Noise: math.Sqrt2}
	process := must(wells.Process(sde.Span{Eps: 0.02, T: 1}))
	_, cdf := wells.Stationary()
	x0 := target{[]float64{0}, 0.3}.law().Sample(source(5), n)
	for name, b := range backendtest.All(t) {
		r := must(Simulate(context.Background(), b, x0, process, Settings{Steps: 200, Seed: 3, Snapshots: []float64{0.1, 1}}))
		for k, snap := range r.Snapshots {
			_, p, err := metric.KS(snap.Samples().RawMatrix().Data, cdf)
			if err != nil {
				t.Fatal(err)
			}
			if stationary := k == 1; stationary && p < 1e-3 || !stationary && p > 1e-6 {
				t.Errorf("%s: at t = %g the stationary law has p = %.2g", name, snap.T, p)
			}
		}
	}
}

// TestReverseOfAffine: for an affine process the predictor is Euler-Maruyama's, to rounding, so that its weak order is 1
// there; the score is not linear.
func TestReverseOfAffine(t *testing.T) {
	for _, s := range []sde.SDE{sde.VE{SigmaMin: 0.01, SigmaMax: 4}, sde.VP{BetaMin: 0.1, BetaMax: 20}} {
		p := Problem{SDE: s, Score: curved, N: 3, Shape: []int{1}}
		x := []float64{-1, 0.2, 1.7}
		mean, next, _ := newStepper(&ReverseOf{sde.Affine(s)}, p).at(x, []float64{0.62}, []float64{0.6})
		wantMean, wantNext, _ := newStepper(EulerMaruyama{}, p).at(x, []float64{0.62}, []float64{0.6})
		for i := range x {
			closeTo(t, s.String()+": mean", mean[i], wantMean[i], 1e-12*(1+math.Abs(wantMean[i])))
			closeTo(t, s.String()+": next", next[i], wantNext[i], 1e-12*(1+math.Abs(wantNext[i])))
		}
		data := target{[]float64{1}, 0.5}
		s := awayFromEnds(s)
		step := newStepper(&ReverseOf{sde.Affine(s)}, data.problem(s, 2))
		var errs []float64
		for _, n := range []int{512, 1024, 2048} {
			grid := levels(s, UniformSchedule(n, s.Span()))
			x, end := moments{grid[0].alpha, grid[0].v(data.std)}, grid[n]
			for _, l := range step.path(s, n) {
				x = l.apply(x)
			}
			errs = append(errs, math.Abs(x.variance/end.v(data.std)-1)+math.Abs(x.slope-end.alpha))
		}
		closeTo(t, fmt.Sprintf("%s: weak order, errors %.2g", s, errs), order(errs), (&ReverseOf{}).Order().Weak, 0.3)
	}
}

// TestReverseOfDoubleWell: in the stationary state the reverse process is the forward one, so that from the stationary
// law and with its score the samples keep it (Kolmogorov-Smirnov), whereas with half the score they do not.
func TestReverseOfDoubleWell(t *testing.T) {
	const n = 3000
	wells, times := sde.DoubleWell{Depth: 1, Noise: math.Sqrt2}, sde.Span{Eps: 0.02, T: 0.2}
	process := must(wells.Process(times))
	_, cdf := wells.Stationary()
	start, rng := mat.NewDense(n, 1, nil), source(6)
	for i := range n {
		start.Set(i, 0, quantile(cdf, rng.Float64()))
	}
	for name, b := range backendtest.All(t) {
		for _, scale := range []float64{1, 0.5} {
			scaled := func(x, _ *Node) *Node { return Mul(wells.Score(x), ConstAs(x, scale)) }
			lab := must(New(b, Problem{SDE: wells.Reference(times), Score: scaled, N: n, Shape: []int{1}}))
			r := run(t, lab, PC{Predictor: &ReverseOf{process}}, Settings{Steps: 200, Seed: 4, Init: Tensor(start, dtypes.Float32)})
			_, p, err := metric.KS(r.Samples().RawMatrix().Data, cdf)
			if err != nil {
				t.Fatal(err)
			}
			if scale == 1 && p < 1e-3 || scale != 1 && p > 1e-6 {
				t.Errorf("%s: with %g times the score p = %.2g", name, scale, p)
			}
		}
	}
}

// quantile inverts cdf on [-4, 4] by bisection.
func quantile(cdf func(float64) float64, u float64) float64 {
	low, high := -4.0, 4.0
	for range 25 {
		if middle := (low + high) / 2; cdf(middle) < u {
			low = middle
		} else {
			high = middle
		}
	}
	return low
}

func TestSimulateRefuses(t *testing.T) {
	wells, times := sde.DoubleWell{Depth: 1, Noise: 1}, sde.Span{Eps: 0.02, T: 1}
	process := must(wells.Process(times))
	data := mat.NewDense(2, 1, []float64{0, 1})
	for says, f := range map[string]func() (*Result, error){
		"no data": func() (*Result, error) {
			return Simulate(context.Background(), backend.Go(), nil, process, Settings{Steps: 1})
		},
		"Name is empty": func() (*Result, error) {
			return Simulate(context.Background(), backend.Go(), data, sde.Nonlinear{}, Settings{Steps: 1})
		},
		"Steps = 0": func() (*Result, error) {
			return Simulate(context.Background(), backend.Go(), data, process, Settings{})
		},
		"outside [0, 1]": func() (*Result, error) {
			return Simulate(context.Background(), backend.Go(), data, process, Settings{Steps: 1, Snapshots: []float64{2}})
		},
		"ReverseOf.Process": func() (*Result, error) {
			p := Problem{SDE: wells.Reference(times), Score: curved, N: 2, Shape: []int{1}}
			return Run(context.Background(), backend.Go(), p, PC{Predictor: &ReverseOf{}}, Settings{Steps: 1})
		},
		"want those of the process, [0.02, 1]": func() (*Result, error) {
			p := Problem{SDE: sde.OU1(), Score: curved, N: 2, Shape: []int{1}}
			return Run(context.Background(), backend.Go(), p, PC{Predictor: &ReverseOf{process}}, Settings{Steps: 1})
		},
	} {
		if _, err := f(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}
