package dist

import (
	"math"
	"math/rand/v2"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
)

func must[T any](v T, err error) T {
	if err != nil {
		panic(err)
	}
	return v
}

// generalMixture is a mixture in 2-D with correlated components.
func generalMixture() Mixture {
	return must(NewMixture([]float64{0.2, 0.5, 0.3}, mat.NewDense(3, 2, []float64{0, 0.3, -1, 0.5, 1.2, -0.7}), []*mat.SymDense{
		mat.NewSymDense(2, []float64{0.3, 0.1, 0.1, 0.2}),
		mat.NewSymDense(2, []float64{0.05, -0.03, -0.03, 0.4}),
		mat.NewSymDense(2, []float64{0.1, 0, 0, 0.1}),
	}))
}

// laws is the table of the battery: every type, 1-D and more, isotropic and general.
func laws() []Law {
	gauss1 := must(NewIsotropicGaussian([]float64{-0.4}, 0.7))
	gauss3 := must(NewGaussian([]float64{1, -2, 0.5}, mat.NewSymDense(3, []float64{1, 0.4, 0.1, 0.4, 0.8, -0.2, 0.1, -0.2, 0.5})))
	mix1 := must(NewIsotropicMixture([]float64{0.3, 0.7}, mat.NewDense(2, 1, []float64{-1, 0.6}), []float64{0.2, 0.4}))
	box := must(NewUniform([]float64{-1, 0.2}, []float64{0.5, 3}, 0.3))
	return []Law{
		gauss1, gauss3, must(NewIsotropicGaussian([]float64{0.5, -1}, 0.3)),
		mix1, FourGaussians(), generalMixture(),
		Unit(), box, must(NewTorus(1, 0.4)), must(NewCheckerboard(4, 2)), must(NewCheckerboard(3, 1)), must(NewProduct(Unit(), FourGaussians(), gauss1)),
	}
}

// kernels are pairs (alpha, sigma): data scale, noise scale and far beyond.
var kernels = [][2]float64{{1, 0.05}, {0.8, 0.6}, {0.3, 0.95}, {1, 4}, {0.0066, 1}}

// points are samples of the noised law plus points up to 4 standard deviations away from it.
func points(l Law, alpha, sigma float64, n int) *mat.Dense {
	rng := rand.New(rand.NewPCG(7, 11))
	noised := l.Noised(alpha, sigma)
	x, cov := noised.Sample(rng, n), noised.Cov()
	x.Apply(func(i, j int, v float64) float64 {
		return v + float64(i%3)*2*math.Sqrt(cov.At(j, j))*(rng.Float64()*2-1)
	}, x)
	return x
}

// run evaluates a graph function with inputs x, alpha, sigma in float64.
func run(t *testing.T, fn func(x, a, s *Node) *Node, x *mat.Dense, alpha, sigma []float64) []float64 {
	t.Helper()
	rows, _ := x.Dims()
	in := make([][]float64, rows)
	for i := range in {
		in[i] = x.RawRowView(i)
	}
	out, err := CallOnce(backend.Go(), fn, in, alpha, sigma)
	if err != nil {
		t.Fatal(err)
	}
	return toFloat64(out.Value())
}

func toFloat64(v any) []float64 {
	switch v := v.(type) {
	case []float64:
		return v
	case []float32:
		out := make([]float64, len(v))
		for i := range v {
			out[i] = float64(v[i])
		}
		return out
	case [][]float64:
		var out []float64
		for _, row := range v {
			out = append(out, row...)
		}
		return out
	case [][]float32:
		var out []float64
		for _, row := range v {
			out = append(out, toFloat64(row)...)
		}
		return out
	}
	panic("unexpected type")
}

// wantClose fails if any |got - want| exceeds tol (1 + |want|).
func wantClose(t *testing.T, what string, got, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Fatalf("%s: %d values, want %d", what, len(got), len(want))
	}
	worst, at := -1.0, 0
	for i := range got {
		e := math.Abs(got[i]-want[i]) / (1 + math.Abs(want[i]))
		if math.IsNaN(e) || e > worst {
			worst, at = e, i
		}
		if math.IsNaN(e) {
			break
		}
	}
	if !(worst <= tol) {
		t.Errorf("%s: element %d is %.15g, want %.15g (relative error %.2g, allowed %.2g)", what, at, got[at], want[at], worst, tol)
	}
}

func TestScoreIsGradientOfLogProb(t *testing.T) {
	for _, l := range laws() {
		for _, k := range kernels {
			x := points(l, k[0], k[1], 60)
			score := must(ScoreAt(l, x, k[0], k[1]))
			auto := run(t, func(x, a, s *Node) *Node { return Gradient(ReduceAllSum(l.LogProb(x, a, s)), x)[0] }, x, k[:1], k[1:])
			wantClose(t, l.String()+": Score against autodiff", flat(score), auto, 1e-9)
			wantClose(t, l.String()+": Score against differences", flat(score), differences(l, x, k[0], k[1]), 1e-6)
		}
	}
}

// differences is the gradient of LogProb by fourth-order central differences.
func differences(l Law, x *mat.Dense, alpha, sigma float64) []float64 {
	n, d := x.Dims()
	h := 2e-3 * math.Hypot(sigma, 0.05)
	out := make([]float64, n*d)
	for j := range d {
		for _, c := range [][2]float64{{-2, 1.0 / 12}, {-1, -8.0 / 12}, {1, 8.0 / 12}, {2, -1.0 / 12}} {
			moved := mat.DenseCopyOf(x)
			for i := range n {
				moved.Set(i, j, x.At(i, j)+c[0]*h)
			}
			for i, v := range must(LogProbAt(l, moved, alpha, sigma)) {
				out[i*d+j] += c[1] * v / h
			}
		}
	}
	return out
}

func TestDenoiseIsTweedie(t *testing.T) {
	for _, l := range laws() {
		for _, k := range kernels {
			x := points(l, k[0], k[1], 40)
			score, got := must(ScoreAt(l, x, k[0], k[1])), must(DenoiseAt(l, x, k[0], k[1]))
			var want mat.Dense
			want.Scale(k[1]*k[1], score)
			want.Add(&want, x)
			want.Scale(1/k[0], &want)
			wantClose(t, l.String()+": Denoise", flat(got), flat(&want), 1e-10)
		}
	}
}

func TestNoisedComposes(t *testing.T) {
	for _, l := range laws() {
		x := points(l, 0.5, 0.7, 40)
		// a2 (a1 X + s1 Z1) + s2 Z2 = a2 a1 X + sqrt(a2^2 s1^2 + s2^2) Z
		want := must(LogProbAt(l, x, 0.6*0.8, math.Hypot(0.6*0.3, 0.5)))
		once := l.Noised(0.8, 0.3)
		twice := once.Noised(0.6, 0.5)
		wantClose(t, l.String()+": noised once", must(LogProbAt(once, x, 0.6, 0.5)), want, 1e-12)
		wantClose(t, l.String()+": noised twice", must(LogProbAt(twice, x, 1, 0)), want, 1e-12)
		var cov mat.Dense
		cov.Scale(0.64, l.Cov())
		for i := range l.Dim() {
			cov.Set(i, i, cov.At(i, i)+0.09)
		}
		if !mat.EqualApprox(&cov, once.Cov(), 1e-14) {
			t.Errorf("%s: covariance after noise %v, want %v", l, once.Cov(), cov)
		}
	}
}

func TestSampleMoments(t *testing.T) {
	const n = 40000
	for _, l := range laws() {
		x := l.Sample(rand.New(rand.NewPCG(1, 2)), n)
		mean, cov := l.Mean(), l.Cov()
		for i := range l.Dim() {
			checkAverage(t, l.String()+": mean", n, mean[i], func(k int) float64 { return x.At(k, i) })
			for j := range i + 1 {
				checkAverage(t, l.String()+": covariance", n, cov.At(i, j), func(k int) float64 {
					return (x.At(k, i) - mean[i]) * (x.At(k, j) - mean[j])
				})
			}
		}
	}
}

// checkAverage fails if the average of n values is more than 5 standard errors from want.
func checkAverage(t *testing.T, what string, n int, want float64, value func(i int) float64) {
	t.Helper()
	sum, squares := 0.0, 0.0
	for i := range n {
		v := value(i) - want
		sum, squares = sum+v, squares+v*v
	}
	mean := sum / float64(n)
	bound := 5 * math.Sqrt((squares/float64(n)-mean*mean)/float64(n))
	if !(math.Abs(mean) <= bound) {
		t.Errorf("%s: off by %.3g, allowed %.3g", what, mean, bound)
	}
}

// TestPerRowTimes compares one call with times [B] to calls with the times [1] of each row.
func TestPerRowTimes(t *testing.T) {
	for _, l := range laws() {
		x := points(l, 0.8, 0.6, len(kernels))
		var alpha, sigma, logProb, score, denoised []float64
		for i, k := range kernels {
			row := mat.NewDense(1, l.Dim(), x.RawRowView(i))
			alpha, sigma = append(alpha, k[0]), append(sigma, k[1])
			logProb = append(logProb, must(LogProbAt(l, row, k[0], k[1]))...)
			score = append(score, flat(must(ScoreAt(l, row, k[0], k[1])))...)
			denoised = append(denoised, flat(must(DenoiseAt(l, row, k[0], k[1])))...)
		}
		wantClose(t, l.String()+": LogProb", run(t, l.LogProb, x, alpha, sigma), logProb, 1e-12)
		wantClose(t, l.String()+": Score", run(t, l.Score, x, alpha, sigma), score, 1e-12)
		wantClose(t, l.String()+": Denoise", run(t, l.Denoise, x, alpha, sigma), denoised, 1e-12)
	}
}
