package sampler

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/metric"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestAnnealedLangevin on Gaussian data: the algorithm of the paper, written here as recursions of mean and variance in
// its own alpha_i = 2 eps_i, gives the moments of the samples; with many steps per level these are the stationary ones.
func TestAnnealedLangevin(t *testing.T) {
	const n, levels, smallest, largest, eps = 10000, 10, 0.1, 3.0, 0.01
	ve := sde.VE{SigmaMin: smallest, SigmaMax: largest, Times: sde.Span{Eps: 0, T: 1}}
	data := target{[]float64{0.5, -1}, 0.2}
	for name, b := range backendtest.All(t) {
		lab := must(New(b, data.problem(ve, n)))
		for _, m := range []int{1, 10} {
			method := must(AnnealedLangevin(eps, smallest, m))
			r := run(t, lab, method, Settings{Steps: levels - 1, Seed: 8})
			mean, variance := 0.0, largest*largest
			for i := levels - 1; i >= 1; i-- {
				sigma := smallest * math.Pow(largest/smallest, float64(i-1)/(levels-1))
				alpha, v := 2*eps*math.Pow(sigma/smallest, 2), data.std*data.std+sigma*sigma
				for range m {
					mean += alpha / 2 * (1 - mean) / v
					variance = math.Pow(1-alpha/(2*v), 2)*variance + alpha
				}
			}
			data.checkMoments(t, fmt.Sprintf("%s, %d steps per level", name, m), r.Samples(), moments{mean, variance}, 0)
			v := data.std*data.std + smallest*smallest
			if bias := variance / (v / (1 - eps/(2*v))); m == 10 && math.Abs(bias-1) > 0.02 {
				t.Errorf("variance is %g of the stationary one", bias)
			}
			if r.NFE != (levels-1)*m {
				t.Errorf("%d evaluations, want %d", r.NFE, (levels-1)*m)
			}
		}
	}
}

// TestAnnealedLangevinWeights is the toy of Song and Ermon (section 3.2 and figure 3; 004-8): ten levels from 20 to 1, 100
// steps each, reach both modes with nearly their weights, where plain Langevin dynamics leaves the particles in the mode
// in whose half-plane they start.
func TestAnnealedLangevinWeights(t *testing.T) {
	const n = 2560 // particles, twice those of the paper
	ve := sde.VE{SigmaMin: 1, SigmaMax: 20, Times: sde.Span{Eps: 0, T: 1}}
	centres := mat.NewDense(2, 2, []float64{5, 5, -5, -5})
	law := must(dist.NewIsotropicMixture([]float64{0.8, 0.2}, centres, []float64{0, 0})) // sigma is the std of the modes
	box := mat.NewDense(n, 2, nil)
	rng := source(3)
	for i := range n {
		box.SetRow(i, []float64{16*rng.Float64() - 8, 16*rng.Float64() - 8})
	}
	lab := must(New(backend.Go(), Problem{SDE: ve, Score: score.Exact(law, ve).Score(), N: n, Shape: []int{2}}))
	set := Settings{Steps: 9, Seed: 1, Init: Tensor(box, dtypes.Float32)}
	const eps = 0.1 / 2 // the paper's alpha is 0.1
	r := run(t, lab, must(AnnealedLangevin(eps, 1, 100)), set)
	modes := must(metric.ModeStats(r.Samples(), centres))
	t.Logf("weight of the larger mode %.4f, standard deviations %.4f, %.4f", modes[0].Weight, modes[0].Std, modes[1].Std)
	closeTo(t, "weight", modes[0].Weight, 0.8, 0.035)
	for _, m := range modes {
		want := 1 / math.Sqrt(1-eps/2) // in 2 d coordinates
		closeTo(t, "std", m.Std, want, 5*want/math.Sqrt(4*m.Weight*n))
	}
	// Plain Langevin: the smallest level alone, 1000 steps.
	x := repeat(t, Problem{SDE: ve, Score: lab.problem.Score, N: n, Shape: []int{2}}, Langevin{math.Sqrt(eps / 2), Expected}, 0, 1000, box)
	modes = must(metric.ModeStats(x, centres))
	closeTo(t, "weight under plain Langevin", modes[0].Weight, 0.509, 0.03)
	closeTo(t, "std under plain Langevin", modes[0].Std, 1.0127, 5*1.0127/math.Sqrt(4*modes[0].Weight*n))
}

func TestAnnealedLangevinRefuses(t *testing.T) {
	for _, c := range []struct {
		eps, smallest float64
		m             int
		says          string
	}{
		{0, 1, 1, "eps = 0"},
		{math.NaN(), 1, 1, "eps = NaN"},
		{0.1, -1, 1, "smallest level = -1"},
		{0.1, 1, 0, "m = 0"},
		{2, 1, 1, "below 2 sigma_1^2 = 2"},
	} {
		if _, err := AnnealedLangevin(c.eps, c.smallest, c.m); err == nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%+v: got %v", c, err)
		}
	}
}

// uneven are betas whose order shows.
func uneven(t *testing.T) sde.DDPM { return must(sde.NewDDPM([]float64{0.02, 0.3, 0.05, 0.4, 0.15})) }

// TestDDPMRecursion: between the levels of DDPM the ancestral predictors are the recursion of Ho et al., with the
// posterior variance beta-tilde and with beta, to rounding; the score is not linear.
func TestDDPMRecursion(t *testing.T) {
	p := uneven(t)
	betas := p.Chain().Betas()
	x := []float64{-2, -0.3, 0.1, 1.7}
	n, product := float64(len(betas)), 1.0
	for k, beta := range betas {
		now, next := float64(k+1)/n, float64(k)/n
		before := product
		product *= 1 - beta
		for rule, variance := range map[Predictor]float64{Ancestral{}: beta * (1 - before) / (1 - product), WideAncestral{}: beta} {
			mean, state, z := newStepper(rule, Problem{SDE: p, Score: curved, N: len(x), Shape: []int{1}}).at(x, []float64{now}, []float64{next})
			for i := range x {
				what := fmt.Sprintf("%s, beta_%d = %g", rule, k+1, beta)
				closeTo(t, what+": mean", mean[i], (x[i]+beta*math.Sin(x[i])*math.Exp(now))/math.Sqrt(1-beta), 1e-12)
				closeTo(t, what+": variance", math.Pow((state[i]-mean[i])/z[i], 2), variance, 1e-12)
			}
		}
	}
}

// TestDDPMSampling: with N-1 steps a run visits the levels of DDPM, and Denoise is the last step of the chain, the mean
// of x_0 given x_1, so that the samples have the moments of the recursion of N steps.
func TestDDPMSampling(t *testing.T) {
	p := uneven(t)
	data := target{[]float64{0.5, -1}, 0.6}
	betas := p.Chain().Betas()
	steps := len(betas)
	for rule, wide := range map[Predictor]bool{Ancestral{}: false, WideAncestral{}: true} {
		x := moments{0, 1}
		product := p.Chain().Alpha[steps] * p.Chain().Alpha[steps]
		for i := steps; i >= 1; i-- {
			beta, v := betas[i-1], product*data.std*data.std+1-product
			rest := product / (1 - beta)
			variance := beta * (1 - rest) / (1 - product)
			if wide && i > 1 {
				variance = beta
			}
			a := math.Sqrt(1 - beta)
			x = line{(1 - beta/v) / a, beta * math.Sqrt(product) / v / a, math.Sqrt(max(variance, 0))}.apply(x)
			product = rest
		}
		for name, b := range backendtest.All(t) {
			r := run(t, must(New(b, data.problem(p, 20000))), PC{Predictor: rule}, Settings{Steps: steps - 1, Seed: 3, Denoise: true})
			for k, at := range r.Grid {
				closeTo(t, "level", at, float64(steps-k)/float64(steps), 1e-15)
			}
			if r.NFE != steps {
				t.Errorf("%d evaluations, want %d", r.NFE, steps)
			}
			data.checkMoments(t, fmt.Sprintf("%s, %s", name, rule), r.Samples(), x, 0)
		}
	}
}

// TestDDPMOrder: on N(m, s^2) the recursions with the exact score, from the exact p_T down to x_0, have errors that fall
// as 1/N (001-6). The mean of the ancestral steps is exact whatever N, because (x + beta score)/sqrt(1 - beta) is
// E[x_{i-1} | x_i]; that of reverse diffusion is not. The moments are exact, as the steps are linear.
func TestDDPMOrder(t *testing.T) {
	data := target{[]float64{1}, 0.5}
	vp := sde.VP{BetaMin: 0.1, BetaMax: 20}
	for _, rule := range []Predictor{Ancestral{}, WideAncestral{}, ReverseDiffusion{}} {
		var logN, logMean, logVariance []float64
		for _, n := range []int{125, 250, 500, 1000} {
			p := must(sde.NewDDPM(must(vp.Chain(n)).Betas()))
			now, next := make([]float64, n), make([]float64, n)
			for k := range now {
				now[k], next[k] = float64(n-k)/float64(n), float64(n-k-1)/float64(n)
			}
			first := levels(p, now[:1])[0]
			x := moments{first.alpha, first.v(data.std)}
			for _, l := range newStepper(rule, data.problem(p, 2)).lines(now, next) {
				x = l.apply(x)
			}
			mean, variance := math.Abs(x.slope-1), math.Abs(x.variance/(data.std*data.std)-1)
			t.Logf("%s, N = %d: relative error of mean %.2e, of variance %.2e", rule, n, mean, variance)
			if _, ok := rule.(ReverseDiffusion); !ok {
				closeTo(t, fmt.Sprintf("%s, N = %d: mean", rule, n), x.slope, 1, 1e-10)
			}
			logN = append(logN, math.Log(float64(n)))
			logMean, logVariance = append(logMean, math.Log(mean)), append(logVariance, math.Log(variance))
		}
		slope, _, err := metric.Slope(logN, logVariance)
		closeTo(t, fmt.Sprintf("%s: order of the variance", rule), must(slope, err), -1, 0.15)
		if _, ok := rule.(ReverseDiffusion); ok {
			slope, _, err := metric.Slope(logN, logMean)
			closeTo(t, fmt.Sprintf("%s: order of the mean", rule), must(slope, err), -1, 0.15)
		}
	}
}

// TestWideAncestralOrder: strong and weak order 1 on a process of another kind, away from the ends where it is stiff.
func TestWideAncestralOrder(t *testing.T) {
	data := target{[]float64{1}, 0.5}
	s := awayFromEnds(sde.OU1())
	const fine = 2048
	start, end := levels(s, []float64{s.Span().T})[0], levels(s, []float64{s.Span().Eps})[0]
	reference := influence(newStepper(EulerMaruyama{}, data.problem(s, 2)).path(s, fine), fine)
	step := newStepper(WideAncestral{}, data.problem(s, 2))
	var weak, strong []float64
	for _, n := range []int{32, 64, 128} {
		path := step.path(s, n)
		x := moments{start.alpha, start.v(data.std)}
		for _, l := range path {
			x = l.apply(x)
		}
		weak = append(weak, math.Abs(x.variance/end.v(data.std)-1)+math.Abs(x.slope-end.alpha))
		a := influence(path, fine)
		square := math.Pow(a.start-reference.start, 2)*start.v(data.std) + math.Pow((a.start-reference.start)*start.alpha+a.mean-reference.mean, 2)
		for k := range fine {
			square += math.Pow(a.noise[k]-reference.noise[k], 2)
		}
		strong = append(strong, math.Sqrt(square))
	}
	closeTo(t, fmt.Sprintf("weak order, errors %.2g", weak), order(weak), WideAncestral{}.Order().Weak, 0.3)
	closeTo(t, fmt.Sprintf("strong order, errors %.2g", strong), order(strong), WideAncestral{}.Order().Strong, 0.3)
}
