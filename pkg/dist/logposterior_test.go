package dist

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

// degenerate is a mixture with components of rank 1 and 2 in 3-D.
func degenerate() Mixture {
	flat, _, err := must(generalMixture().Linear(mat.NewDense(3, 2, []float64{1, 0, 0, 1, 0.5, -1}))).Observe(mat.NewDense(1, 3, []float64{1, 0.2, 0}), 0, []float64{0.3})
	return must(flat, err)
}

// TestLogPosteriorIsLogOfResponsibilities compares where those do not underflow; the rest must be finite.
func TestLogPosteriorIsLogOfResponsibilities(t *testing.T) {
	for _, m := range []Mixture{FourGaussians(), generalMixture(), degenerate()} {
		for _, k := range kernels {
			x := points(m, k[0], k[1], 40)
			logs, shares := flat(must(LogPosteriorAt(m, x, k[0], k[1]))), flat(must(ResponsibilitiesAt(m, x, k[0], k[1])))
			var got, want []float64
			for i, r := range shares {
				if !finite(logs[i]) || logs[i] > 0 {
					t.Fatalf("%s: log posterior %g", m, logs[i])
				}
				if r > 1e-280 {
					got, want = append(got, logs[i]), append(want, math.Log(r))
				}
			}
			wantClose(t, m.String(), got, want, 1e-12)
		}
	}
	// At 30 the right mode is 2 * 30 / 0.04 nats more likely than the left one: exp(-1500) underflows.
	log := must(LogPosteriorAt(FourGaussians(), mat.NewDense(1, 2, []float64{30, 0}), 1, 0))
	wantClose(t, "far away", []float64{log.At(0, 0), log.At(0, 2)}, []float64{0, -1500}, 1e-12)
}

// TestLogPosteriorGradient checks on every backend and in both precisions that autodiff gives ClassScore - Score, at
// noise levels where the classes are certain and where they are confused. On XLA, where each law compiles, the one with the
// most kinds of components stands for all.
func TestLogPosteriorGradient(t *testing.T) {
	for name, b := range backendtest.All(t) {
		mixtures := []Mixture{degenerate(), FourGaussians(), generalMixture()}
		if backend.OnDevice(b) {
			mixtures = mixtures[:1]
		}
		for _, m := range mixtures {
			both := MustNewExec(b, func(x, a, s *Node) []*Node {
				var auto, exact []*Node
				for k := range m.Components() {
					own := Slice(m.LogPosterior(x, a, s), AxisRange(), AxisElem(k))
					auto = append(auto, Gradient(ReduceAllSum(own), x)[0])
					exact = append(exact, Sub(m.ClassScore(k, x, a, s), m.Score(x, a, s)))
				}
				return []*Node{Concatenate(auto, 0), Concatenate(exact, 0)}
			})
			for _, sigma := range []float32{0.01, 4} {
				what := fmt.Sprintf("%s: %s: sigma %g", name, m, sigma)
				narrow, rounded := toFloat32(points(m, 1, float64(sigma), 20))
				wide := make([][]float64, 20)
				for i := range wide {
					wide[i] = rounded.RawRowView(i)
				}
				out, err := both.Call(wide, []float64{1}, []float64{float64(sigma)})
				if err != nil {
					t.Fatal(err)
				}
				exact := toFloat64(out[1].Value())
				wantClose(t, what, toFloat64(out[0].Value()), exact, 1e-6)
				out, err = both.Call(narrow, []float32{1}, []float32{sigma})
				if err != nil {
					t.Fatal(err)
				}
				// Relative to the largest gradient of the batch or, where all classes share directions without variance,
				// to the scores along those, whose difference it is.
				size := mat.Norm(mat.NewVecDense(len(exact), exact), math.Inf(1))
				if m.Dim() == 3 {
					size = max(size, 1/float64(sigma))
				}
				for i, v := range toFloat64(out[0].Value()) {
					if !(math.Abs(v-exact[i]) <= 1e-4*size) {
						t.Errorf("%s in float32: element %d is %g, want %g of up to %g", what, i, v, exact[i], size)
					}
				}
			}
		}
	}
}

// TestDegenerateOnceNoised calls every method of a law whose components have directions without variance.
func TestDegenerateOnceNoised(t *testing.T) {
	m := degenerate()
	for k := range m.Components() {
		if !(mat.Min(m.components.vars.RowView(k)) == 0) {
			t.Fatalf("component %d has variances %v, want a 0", k, m.components.vars.RawRowView(k))
		}
	}
	for _, k := range kernels {
		x := points(m, k[0], k[1], 30)
		noised := m.Noised(k[0], k[1]).(Mixture)
		typical := noised.Sample(rand.New(rand.NewPCG(34, 1)), 30)
		var want []float64
		for i := range 30 {
			want = append(want, directLogProb(t, m, typical.RawRowView(i), k[0], k[1]))
		}
		wantClose(t, "LogProb", must(LogProbAt(m, typical, k[0], k[1])), want, 1e-9)
		score := flat(must(ScoreAt(m, x, k[0], k[1])))
		wantClose(t, "Score", score, differences(m, x, k[0], k[1]), 1e-6)
		wantClose(t, "Score of Noised", flat(must(ScoreAt(noised, x, 1, 0))), score, 1e-12)
		sums := mat.NewDense(30, 3, nil)
		shares := must(ResponsibilitiesAt(m, x, k[0], k[1]))
		for class := range m.Components() {
			own := run(t, func(x, a, s *Node) *Node { return m.ClassScore(class, x, a, s) }, x, k[:1], k[1:])
			sums.Apply(func(i, j int, v float64) float64 { return v + shares.At(i, class)*own[3*i+j] }, sums)
		}
		wantClose(t, "sum of ClassScore", flat(sums), score, 1e-10)
		var tweedie []float64
		for i, v := range score {
			tweedie = append(tweedie, (x.At(i/3, i%3)+k[1]*k[1]*v)/k[0])
		}
		wantClose(t, "Denoise", flat(must(DenoiseAt(m, x, k[0], k[1]))), tweedie, 1e-10)
		divergence := must(DivergenceAt(m, x, k[0], k[1]))
		h := 1e-3 * k[1]
		trace := make([]float64, 30)
		for j := range 3 {
			for _, sign := range []float64{-1, 1} {
				moved := mat.DenseCopyOf(x)
				for i := range 30 {
					moved.Set(i, j, x.At(i, j)+sign*h)
				}
				for i, v := range flat(mat.DenseCopyOf(must(ScoreAt(m, moved, k[0], k[1])).ColView(j))) {
					trace[i] += sign * v / (2 * h)
				}
			}
		}
		wantClose(t, "Divergence", divergence, trace, 1e-4)
	}
	const n = 20000
	x := m.Sample(rand.New(rand.NewPCG(33, 1)), n)
	mean, cov := m.Mean(), m.Cov()
	for i := range 3 {
		checkAverage(t, "mean", n, mean[i], func(k int) float64 { return x.At(k, i) })
		for j := range i + 1 {
			checkAverage(t, "covariance", n, cov.At(i, j), func(k int) float64 { return (x.At(k, i) - mean[i]) * (x.At(k, j) - mean[j]) })
		}
	}
	if s := m.String(); s != "mixture of 3 Gaussians in 3-D" {
		t.Errorf("String is %q", s)
	}
}
