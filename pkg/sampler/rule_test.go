package sampler

import (
	"fmt"
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/metric"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// decoder is the sampling rule of Huang's slides, level 1: x_{k-1} = (x_k - share eps)/A_k + std z with x_k = A_k x_{k-1} +
// B_k z and eps = -beta_k score the mean of all noise in x_k, of size beta_k. The share of B_k alone is B_k^2/beta_k; the
// slides print B_k (E21).
func decoder(name string, printed, wide bool) *Rule {
	return &Rule{Name: name, Coefficients: func(s sde.SDE, t, tNext *Node) (onX, onScore, std *Node) {
		a, b := sde.Transition(s, t, tNext)
		share, std := Div(Square(b), s.Sigma(t)), b
		if printed {
			share = b
		}
		if !wide {
			std = Div(Mul(b, s.Sigma(tNext)), s.Sigma(t))
		}
		return Reciprocal(a), Div(Mul(share, s.Sigma(t)), a), std
	}}
}

// TestRule: the corrected decoder is the ancestral step with either variance, on every process.
func TestRule(t *testing.T) {
	x := []float64{-2, -0.3, 0.1, 1.7}
	for _, s := range sde.All() {
		span := s.Span()
		now, next := []float64{span.Eps + 0.6*(span.T-span.Eps)}, []float64{span.Eps + 0.5*(span.T-span.Eps)}
		p := Problem{SDE: s, Score: curved, N: len(x), Shape: []int{1}}
		for rule, known := range map[bool]Predictor{false: Ancestral{}, true: WideAncestral{}} {
			mean, state, _ := newStepper(decoder("corrected", false, rule), p).at(x, now, next)
			wantMean, want, _ := newStepper(known, p).at(x, now, next)
			for i := range x {
				closeTo(t, fmt.Sprintf("%s, %s: mean", s, known), mean[i], wantMean[i], 1e-12*(1+math.Abs(wantMean[i])))
				closeTo(t, fmt.Sprintf("%s, %s: state", s, known), state[i], want[i], 1e-12*(1+math.Abs(want[i])))
			}
		}
	}
}

// TestDDPMDecoder is 002-6 with the exact score: U[0, 1] from 100 steps with beta from .001 to .2. The corrected decoder with
// sigma_k^2 = beta_k leaves sampling noise alone; the printed one contracts too much, to a standard deviation of .21 to .24
// (E21).
func TestDDPMDecoder(t *testing.T) {
	const n = 10000
	b := backend.Go()
	if o, err := backend.Open(); err == nil {
		b = o
	}
	s := must(sde.NewDDPM(sde.LinearBetas(100, 1e-3, 0.2)))
	lab := must(New(b, Problem{SDE: s, Score: score.Exact(dist.Unit(), s).Score(), N: n, Shape: []int{1}}))
	exact := midpoints(n, func(p float64) float64 { return p })
	for _, c := range []struct {
		p       Predictor
		std     float64
		low, w1 float64 // bounds of W1
	}{
		{WideAncestral{}, 0.2888, 0, 0.008},
		{Ancestral{}, 0.273, 0.01, 0.019}, // its variance is that for data at a point
		{decoder("printed decoder, forward variance", true, true), 0.234, 0.05, 0.06},
		{decoder("printed decoder", true, false), 0.206, 0.073, 0.084},
	} {
		x := flat(run(t, lab, PC{Predictor: c.p}, Settings{Steps: s.N() - 1, Seed: 7, Denoise: true}).X)
		std, w1 := stat.StdDev(x, nil), must(metric.Wasserstein1(x, exact))
		ks, _, err := metric.KS(x, func(v float64) float64 { return min(max(v, 0), 1) })
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: W1 %.4f, std %.4f, KS %.4f", c.p, w1, std, ks)
		closeTo(t, c.p.String()+": std", std, c.std, 0.0065) // 5 standard errors
		if !(w1 >= c.low && w1 < c.w1) {
			t.Errorf("%s: W1 %.4f, want within %.3g and %.3g", c.p, w1, c.low, c.w1)
		}
	}
}

// midpoints are the n quantiles of a law at (i + 1/2)/n.
func midpoints(n int, quantile func(p float64) float64) []float64 {
	q := make([]float64, n)
	for i := range q {
		q[i] = quantile((float64(i) + 0.5) / float64(n))
	}
	return q
}
