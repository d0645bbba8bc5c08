package dist

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"
)

// directLogProb is the log density of a noised mixture by Cholesky factors and a plain sum: a second method.
func directLogProb(t *testing.T, m Mixture, x []float64, alpha, sigma float64) float64 {
	t.Helper()
	total := 0.0
	for k, w := range m.Weights() {
		g := m.Component(k)
		cov := g.Cov()
		cov.ScaleSym(alpha*alpha, cov)
		r := mat.NewVecDense(len(x), nil)
		for i, mean := range g.Mean() {
			cov.SetSym(i, i, cov.At(i, i)+sigma*sigma)
			r.SetVec(i, x[i]-alpha*mean)
		}
		var chol mat.Cholesky
		if !chol.Factorize(cov) {
			t.Fatalf("%v is not positive definite", cov)
		}
		var solved mat.VecDense
		if err := chol.SolveVecTo(&solved, r); err != nil {
			t.Fatal(err)
		}
		total += w * math.Exp(-0.5*(mat.Dot(r, &solved)+chol.LogDet()+float64(len(x))*math.Log(2*math.Pi)))
	}
	return math.Log(total)
}

func TestMixtureLogProbAgainstCholesky(t *testing.T) {
	for _, m := range []Mixture{FourGaussians(), generalMixture()} {
		for _, k := range kernels {
			x := points(m, k[0], k[1], 30)
			var want []float64
			for i := range 30 {
				want = append(want, directLogProb(t, m, x.RawRowView(i), k[0], k[1]))
			}
			wantClose(t, m.String(), must(LogProbAt(m, x, k[0], k[1])), want, 1e-12)
		}
	}
}

// TestGeneralAgreesWithIsotropic gives the same law to the fast path and to the path with full matrices.
func TestGeneralAgreesWithIsotropic(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	const k, d = 5, 4
	means := mat.NewDense(k, d, nil)
	means.Apply(func(_, _ int, _ float64) float64 { return rng.NormFloat64() }, means)
	weights, stds := []float64{0.1, 0.2, 0.3, 0.25, 0.15}, []float64{0.1, 0.4, 0.2, 1, 0.3}
	covs := make([]*mat.SymDense, k)
	for i, s := range stds {
		covs[i] = mat.NewSymDense(d, nil)
		for j := range d {
			covs[i].SetSym(j, j, s*s)
		}
	}
	iso, full := must(NewIsotropicMixture(weights, means, stds)), must(NewMixture(weights, means, covs))
	for _, c := range kernels {
		x := points(iso, c[0], c[1], 30)
		wantClose(t, "LogProb", must(LogProbAt(full, x, c[0], c[1])), must(LogProbAt(iso, x, c[0], c[1])), 1e-11)
		wantClose(t, "Score", flat(must(ScoreAt(full, x, c[0], c[1]))), flat(must(ScoreAt(iso, x, c[0], c[1]))), 1e-11)
		wantClose(t, "Denoise", flat(must(DenoiseAt(full, x, c[0], c[1]))), flat(must(DenoiseAt(iso, x, c[0], c[1]))), 1e-11)
		wantClose(t, "Divergence", must(DivergenceAt(full, x, c[0], c[1])), must(DivergenceAt(iso, x, c[0], c[1])), 1e-11)
	}
	if !mat.EqualApprox(iso.Cov(), full.Cov(), 1e-13) {
		t.Errorf("covariance %v, want %v", full.Cov(), iso.Cov())
	}
}

func TestDivergenceIsTraceOfJacobian(t *testing.T) {
	for _, m := range []Mixture{FourGaussians(), generalMixture()} {
		for _, k := range kernels {
			x := points(m, k[0], k[1], 40)
			auto := run(t, func(x, a, s *Node) *Node {
				score := m.Score(x, a, s)
				var trace *Node
				for i := range m.Dim() {
					column := Slice(score, AxisRange(), AxisElem(i))
					own := Slice(Gradient(ReduceAllSum(column), x)[0], AxisRange(), AxisElem(i))
					if trace == nil {
						trace = own
					} else {
						trace = Add(trace, own)
					}
				}
				return Reshape(trace, 40)
			}, x, k[:1], k[1:])
			wantClose(t, m.String(), must(DivergenceAt(m, x, k[0], k[1])), auto, 1e-9)
		}
	}
}

// TestBayes checks that responsibilities sum to 1 and that the score of a class is the score plus the gradient of
// the log class posterior.
func TestBayes(t *testing.T) {
	for _, m := range []Mixture{FourGaussians(), generalMixture()} {
		for _, k := range kernels {
			x := points(m, k[0], k[1], 40)
			posterior := must(ResponsibilitiesAt(m, x, k[0], k[1]))
			for i := range 40 {
				if sum := mat.Sum(posterior.RowView(i)); math.Abs(sum-1) > 1e-14 {
					t.Errorf("%s: responsibilities of row %d sum to %.17g", m, i, sum)
				}
			}
			for class := range m.Components() {
				got := run(t, func(x, a, s *Node) *Node {
					// log r = log w + log p(x|k) - log p(x), so that no r of 0 enters a logarithm
					gap := Sub(m.Component(class).LogProb(x, a, s), m.LogProb(x, a, s))
					return Add(m.Score(x, a, s), Gradient(ReduceAllSum(gap), x)[0])
				}, x, k[:1], k[1:])
				want := run(t, func(x, a, s *Node) *Node { return m.ClassScore(class, x, a, s) }, x, k[:1], k[1:])
				wantClose(t, fmt.Sprintf("%s: class %d", m, class), got, want, 1e-9)
			}
		}
	}
}

// TestClassScoreFormula compares with (alpha mu_y - x)/v of the report's equations 8 and 9.
func TestClassScoreFormula(t *testing.T) {
	m := FourGaussians()
	x := points(m, 0.7, 0.4, 20)
	v := 0.7*0.7*0.04 + 0.4*0.4
	var want []float64
	for i := range 20 {
		want = append(want, (0.7*-1-x.At(i, 0))/v, (0-x.At(i, 1))/v)
	}
	got := run(t, func(x, a, s *Node) *Node { return m.ClassScore(2, x, a, s) }, x, []float64{0.7}, []float64{0.4})
	wantClose(t, "class 2", got, want, 1e-12)
}

func TestFourGaussiansEntropy(t *testing.T) {
	m := FourGaussians()
	const side, edge = 400, 2.4 // trapezium rule: exponentially accurate for a density that is smooth and vanishes
	x := mat.NewDense(side*side, 2, nil)
	h := 2 * edge / side
	for i := range side * side {
		x.SetRow(i, []float64{-edge + h*float64(i/side), -edge + h*float64(i%side)})
	}
	entropy, mass := 0.0, 0.0
	for _, l := range must(LogProbAt(m, x, 1, 0)) {
		entropy -= l * math.Exp(l) * h * h
		mass += math.Exp(l) * h * h
	}
	if math.Abs(entropy-1.0041) > 5e-5 || math.Abs(mass-1) > 1e-9 {
		t.Errorf("entropy %.6f, want 1.0041; mass %.12f, want 1", entropy, mass)
	}
}

func TestSampleLabelled(t *testing.T) {
	const n = 20000
	m := generalMixture()
	x, labels := m.SampleLabelled(rand.New(rand.NewPCG(5, 6)), n)
	for k, w := range m.Weights() {
		checkAverage(t, "weight", n, w, func(i int) float64 { return indicator(labels[i] == k) })
		g := m.Component(k)
		for j, mean := range g.Mean() {
			checkAverage(t, "component mean", n, 0, func(i int) float64 { return indicator(labels[i] == k) * (x.At(i, j) - mean) })
		}
	}
}

func indicator(b bool) float64 {
	if b {
		return 1
	}
	return 0
}

// TestPointMasses checks the noised law of a finite set of points against the sum over the points.
func TestPointMasses(t *testing.T) {
	m := must(NewIsotropicMixture(nil, mat.NewDense(3, 1, []float64{-1, 0, 2}), []float64{0, 0, 0}))
	x := mat.NewDense(4, 1, []float64{-1.2, 0.1, 1, 3})
	var logProb, denoised []float64
	for i := range 4 {
		mass, moment := 0.0, 0.0
		for _, p := range []float64{-1, 0, 2} {
			r := (x.At(i, 0) - 0.9*p) / 0.3
			w := math.Exp(-r*r/2) / (3 * 0.3 * math.Sqrt(2*math.Pi))
			mass, moment = mass+w, moment+w*p
		}
		logProb, denoised = append(logProb, math.Log(mass)), append(denoised, moment/mass)
	}
	wantClose(t, "LogProb", must(LogProbAt(m, x, 0.9, 0.3)), logProb, 1e-12)
	wantClose(t, "Denoise", flat(must(DenoiseAt(m, x, 0.9, 0.3))), denoised, 1e-12)
}

// TestRandomMixtures draws the parameters: density against the Cholesky form, score against autodiff, posterior sum.
func TestRandomMixtures(t *testing.T) {
	rapid.Check(t, func(r *rapid.T) {
		k, d := rapid.IntRange(1, 6).Draw(r, "k"), rapid.IntRange(1, 4).Draw(r, "d")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(r, "seed"), 0))
		m := randomMixture(rng, k, d)
		alpha := rapid.Float64Range(0.01, 1).Draw(r, "alpha")
		sigma := math.Exp(rapid.Float64Range(math.Log(1e-3), math.Log(50)).Draw(r, "log sigma"))
		const n = 5
		x := m.Noised(alpha, sigma).Sample(rng, n)
		var want []float64
		for i := range n {
			want = append(want, directLogProb(t, m, x.RawRowView(i), alpha, sigma))
		}
		wantClose(t, "LogProb", must(LogProbAt(m, x, alpha, sigma)), want, 1e-9)
		auto := run(t, func(x, a, s *Node) *Node { return Gradient(ReduceAllSum(m.LogProb(x, a, s)), x)[0] }, x, []float64{alpha}, []float64{sigma})
		wantClose(t, "Score", flat(must(ScoreAt(m, x, alpha, sigma))), auto, 1e-8)
		if sum := mat.Sum(must(ResponsibilitiesAt(m, x, alpha, sigma))); math.Abs(sum-n) > 1e-12 {
			t.Errorf("responsibilities sum to %g, want %d", sum, n)
		}
		if t.Failed() {
			r.Fatalf("failed for k = %d, d = %d, alpha = %g, sigma = %g", k, d, alpha, sigma)
		}
	})
}

// randomMixture has covariances A A^T + 0.01 I.
func randomMixture(rng *rand.Rand, k, d int) Mixture {
	normal := func(_, _ int, _ float64) float64 { return rng.NormFloat64() }
	means := mat.NewDense(k, d, nil)
	means.Apply(normal, means)
	weights, covs := make([]float64, k), make([]*mat.SymDense, k)
	total := 0.0
	for i := range k {
		weights[i] = 0.1 + rng.Float64()
		total += weights[i]
		a := mat.NewDense(d, d, nil)
		a.Apply(normal, a)
		covs[i] = mat.NewSymDense(d, nil)
		covs[i].SymOuterK(0.2, a)
		for j := range d {
			covs[i].SetSym(j, j, covs[i].At(j, j)+0.01)
		}
	}
	for i := range weights {
		weights[i] /= total
	}
	return must(NewMixture(weights, means, covs))
}
