package suggest

import (
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"gonum.org/v1/gonum/floats"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/metric"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// priorKL is KL(p_T || N(0, I)) of a law in two dimensions by quadrature of p ln(p/q) - p + q, in which nothing cancels but
// what is small.
func priorKL(t *testing.T, l dist.Law, s sde.SDE) float64 {
	t.Helper()
	const n, end = 80, 7.0
	const h = 2 * end / n
	grid := mat.NewDense(n*n, 2, nil)
	for i := range n {
		for j := range n {
			grid.SetRow(i*n+j, []float64{h*(float64(i)+0.5) - end, h*(float64(j)+0.5) - end})
		}
	}
	alpha, sigma := sde.At(s, s.Span().T)
	logP, err := dist.LogProbAt(l, grid, alpha, sigma)
	if err != nil {
		t.Fatal(err)
	}
	kl := 0.0
	for i, lp := range logP {
		lq := -math.Pow(mat.Norm(grid.RowView(i), 2), 2)/2 - math.Log(2*math.Pi)
		kl += h * h * (math.Exp(lp)*(lp-lq) - math.Exp(lq)*math.Expm1(lp-lq))
	}
	return kl
}

// TestSuggestedPriorGap: the gap is below what it should be under the exact law. The bound is loose where the mean of the
// data is 0, for then the gap is of second order in Alpha^2, and tight where it is not.
func TestSuggestedPriorGap(t *testing.T) {
	far, err := dist.NewIsotropicGaussian([]float64{2, -1}, 0.1)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		law      dist.Law
		tightest float64 // of the gap, in units of what it should be
	}{{dist.FourGaussians(), 0}, {far, 0.9}} {
		s := suggested(t, c.law.Sample(rand.New(rand.NewPCG(3, 0)), 5000))
		for _, p := range []sde.SDE{s.VP(), s.SubVP()} {
			kl := priorKL(t, c.law, p)
			t.Logf("%s under %s: KL(p_1 || N(0, I)) = %.3g, bound %g", c.law, p, kl, priorGap)
			if !(kl > 0 && kl < 1.02*priorGap && kl > c.tightest*priorGap) { // 2%: of E|x|^2 on 5000 points
				t.Errorf("%s under %s: gap %g, want between %g and 1 of %g", c.law, p, kl, c.tightest, priorGap)
			}
		}
	}
}

// crossEntropyGap is E[-ln p(x)] under the samples minus the same under draws from the law p noised to the first time of s, and
// its standard error.
func crossEntropyGap(t *testing.T, l dist.Law, s sde.SDE, x *mat.Dense) (gap, se float64) {
	t.Helper()
	alpha, sigma := sde.At(s, s.Span().Eps)
	n, _ := x.Dims()
	mean := func(x *mat.Dense) (float64, float64) {
		logP, err := dist.LogProbAt(l, x, alpha, sigma)
		if err != nil {
			t.Fatal(err)
		}
		floats.Scale(-1, logP)
		m, sd := stat.MeanStdDev(logP, nil)
		return m, sd / math.Sqrt(float64(len(logP)))
	}
	a, sa := mean(x)
	b, sb := mean(l.Noised(alpha, sigma).Sample(rand.New(rand.NewPCG(4, 0)), 10*n))
	return a - b, math.Hypot(sa, sb)
}

// samplePC draws n samples with the exact score of l by predictor and corrector at the suggested SNR.
func samplePC(t *testing.T, b compute.Backend, l dist.Law, s sde.SDE, snr float64, n int) *mat.Dense {
	t.Helper()
	p := sampler.Problem{SDE: s, Score: score.Exact(l, s).Score(), N: n, Shape: []int{l.Dim()}}
	pc := sampler.PC{Predictor: sampler.ReverseDiffusion{}, Corrector: sampler.Langevin{SNR: snr, Norm: sampler.Expected}, Corrections: 1}
	r, err := sampler.Run(t.Context(), b, p, pc, sampler.Settings{Steps: 500, Seed: 1})
	if err != nil {
		t.Fatal(err)
	}
	return r.Samples()
}

// TestSuggestedSampling: with the exact score and the suggested settings the samples follow the law, by cross-entropy
// and by energy distance. With noise that does not join the components they do not: each gets the share of the start
// that lies next to it, which no corrector repairs.
func TestSuggestedSampling(t *testing.T) {
	b, err := backend.Open()
	if err != nil {
		t.Fatal(err)
	}
	if testing.Short() || !backend.OnDevice(b) {
		t.Skip("samples for long, and needs XLA for it")
	}
	follows := func(l dist.Law, p sde.SDE, snr float64) bool {
		const n = 1000
		x := samplePC(t, b, l, p, snr, n)
		gap, se := crossEntropyGap(t, l, p, x)
		alpha, sigma := sde.At(p, p.Span().Eps)
		exact := l.Noised(alpha, sigma).Sample(rand.New(rand.NewPCG(6, 0)), n)
		test, err := metric.EnergyTwoSample(rand.New(rand.NewPCG(7, 0)), x, exact, 999)
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: cross-entropy gap %.4f +- %.4f nats, energy distance %.2g, p-value %.3g", p, gap, se, test.Distance, test.P)
		return math.Abs(gap) < 0.03+5*se && test.P > 1e-3
	}
	law := dist.FourGaussians()
	s := suggested(t, law.Sample(rand.New(rand.NewPCG(3, 0)), 5000))
	for _, p := range []sde.SDE{s.VE(), s.VP(), s.SubVP()} {
		if !follows(law, p, s.SNR) {
			t.Errorf("%s: the samples do not follow the law", p)
		}
	}
	uneven, err := dist.NewIsotropicMixture([]float64{0.7, 0.1, 0.1, 0.1}, law.Means(), []float64{0.2, 0.2, 0.2, 0.2})
	if err != nil {
		t.Fatal(err)
	}
	s = suggested(t, uneven.Sample(rand.New(rand.NewPCG(3, 0)), 5000))
	if !follows(uneven, s.VE(), s.SNR) {
		t.Error("the samples do not follow the uneven law")
	}
	s.SigmaMax = 0.3
	if follows(uneven, s.VE(), s.SNR) {
		t.Error("the checks do not see a prior that does not fit")
	}
}
