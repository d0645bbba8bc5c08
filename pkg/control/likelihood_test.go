package control

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// songs are the three processes of Song et al. 2021.
func songs() []sde.SDE {
	return []sde.SDE{ve, sde.VP{BetaMin: 0.1, BetaMax: 20}, sde.SubVP{BetaMin: 0.1, BetaMax: 20}}
}

// songsOn are songs, on XLA, which compiles for each, the first alone: what a process adds is its own tests' matter.
func songsOn(b compute.Backend) []sde.SDE {
	if backend.OnDevice(b) {
		return songs()[:1]
	}
	return songs()
}

// mixture is a mixture of one Gaussian.
func mixture(mean []float64, cov *mat.SymDense) dist.Mixture {
	return must(dist.NewMixture(nil, row(mean...), []*mat.SymDense{cov}))
}

// exactLikelihood is log p_t(y|x), [n, 1], and its gradient in x by Bayes, where y is in the units of the known
// coordinates: their density is that of y times the volume sqrt(det A A^T).
func exactLikelihood(t *testing.T, o *Observation, law dist.Mixture, y []float64, x mat.Matrix, alpha, sigma float64) (value, gradient *mat.Dense) {
	t.Helper()
	posterior, logEvidence, err := o.Exact(law, y)
	if err != nil {
		t.Fatal(err)
	}
	logDet, _ := mat.LogDet(product(o.a, o.a.T()))
	n, _ := x.Dims()
	value = mat.NewDense(n, 1, nil)
	given, free := must(dist.LogProbAt(posterior, x, alpha, sigma)), must(dist.LogProbAt(law, x, alpha, sigma))
	for i := range n {
		value.Set(i, 0, given[i]-free[i]+logEvidence+logDet/2)
	}
	gradient = must(dist.ScoreAt(posterior, x, alpha, sigma))
	gradient.Sub(gradient, must(dist.ScoreAt(law, x, alpha, sigma)))
	return value, gradient
}

// times are from Eps to T.
func times(s sde.SDE) []float64 {
	span := s.Span()
	return []float64{span.Eps, span.Eps + 0.05*(span.T-span.Eps), 0.4 * span.T, span.T}
}

// checkLikelihood compares a likelihood and its gradient with the exact ones at all times, at points that p_t reaches.
func checkLikelihood(t *testing.T, b compute.Backend, what string, o *Observation, l score.LogDensity, law dist.Mixture, y []float64, s sde.SDE) {
	t.Helper()
	at := eval(t, b, field(l), field(l.Score()))
	for _, now := range times(s) {
		alpha, sigma := sde.At(s, now)
		x := law.Noised(alpha, sigma).Sample(source(4), 6)
		x.Scale(1.5, x)
		value, gradient := exactLikelihood(t, o, law, y, x, alpha, sigma)
		got := at(x, now)
		what := fmt.Sprintf("%s, %s, t = %.3g", what, s, now)
		wantClose(t, what+": value", got[0], value, 1e-6)
		wantClose(t, what+": gradient", got[1], gradient, 1e-6)
	}
}

// TestPiGDMExact: value and gradient for data N(m, std^2 I) under every process of the paper, one observed
// direction without noise and two with.
func TestPiGDMExact(t *testing.T) {
	const std = 0.6
	cov := mat.NewSymDense(3, nil)
	for i := range 3 {
		cov.SetSym(i, i, std*std)
	}
	law := mixture([]float64{0.5, -0.2, 1}, cov)
	for name, b := range backendtest.All(t) {
		for _, s := range songsOn(b) {
			for m, noise := range map[int]float64{1: 0, 2: 0.3} {
				a, y := normals(source(uint64(m)), m, 3), []float64{0.7, -1.1}[:m]
				o := must(Observe(a, noise, row(y...)))
				checkLikelihood(t, b, fmt.Sprintf("%s, %d rows, noise %g", name, m, noise), o, o.PiGDM(score.Exact(law, s).Score(), s, std), law, y, s)
			}
		}
	}
}

// TestTMPDExact: value and gradient for a Gaussian with a full covariance, observed along two of its axes, where PiGDM
// is wrong.
func TestTMPDExact(t *testing.T) {
	turn := Decoupling() // any rotation
	vars := []float64{0.09, 1.2, 0.4}
	cov := mat.NewSymDense(3, nil)
	for k, v := range vars {
		cov.SymRankOne(cov, v, turn.RowView(k))
	}
	law := mixture([]float64{0.5, -0.2, 1}, cov)
	a := mat.NewDense(2, 3, nil)
	for j := range 3 {
		a.Set(0, j, 2*turn.At(0, j))
		a.Set(1, j, -0.5*turn.At(1, j))
	}
	y := []float64{0.7, -1.1}
	for name, b := range backendtest.All(t) {
		for _, s := range songsOn(b) {
			for _, noise := range []float64{0, 0.3} {
				o := must(Observe(a, noise, row(y...)))
				checkLikelihood(t, b, fmt.Sprintf("%s, noise %g", name, noise), o, o.TMPD(score.Exact(law, s).Score(), s), law, y, s)
			}
		}
	}
	o := must(Observe(a, 0.3, row(y...)))
	x := normals(source(1), 3, 3)
	alpha, sigma := sde.At(ve, 0.6)
	_, gradient := exactLikelihood(t, o, law, y, x, alpha, sigma)
	if got := eval(t, backend.Go(), field(o.PiGDM(score.Exact(law, ve).Score(), ve, 0.75).Score()))(x, 0.6)[0]; mat.EqualApprox(got, gradient, 0.1) {
		t.Error("PiGDM agrees with the exact likelihood of an anisotropic law: the comparison sees nothing")
	}
}

// TestLikelihoodsNearTheData: for a mixture with several modes both approximations tend to the exact likelihood as
// t -> 0, where p(x_0|x_t) is narrow.
func TestLikelihoodsNearTheData(t *testing.T) {
	clean := sde.VE{SigmaMin: 0.01, SigmaMax: 4, CleanStart: true}
	law, y := uneven(), []float64{0.3}
	base := score.Exact(law, clean).Score()
	std := math.Sqrt(law.Cov().At(0, 0))
	for name, b := range backendtest.All(t) {
		o := must(Observe(row(0.8, 0.5), 0.25, row(y...)))
		at := eval(t, b, field(o.PiGDM(base, clean, std)), field(o.TMPD(base, clean)), field(o.PiGDM(base, clean, std).Score()), field(o.TMPD(base, clean).Score()))
		gaps := func(now float64) (out [4]float64) {
			alpha, sigma := sde.At(clean, now)
			x := law.Noised(alpha, sigma).Sample(source(4), 40)
			value, gradient := exactLikelihood(t, o, law, y, x, alpha, sigma)
			for k, got := range at(x, now) {
				got.Sub(got, []*mat.Dense{value, value, gradient, gradient}[k])
				out[k] = mat.Norm(got, math.Inf(1))
			}
			return out
		}
		end, late, early := gaps(clean.Span().Eps), gaps(0.02), gaps(0.6)
		for k, what := range []string{"PiGDM", "TMPD", "gradient of PiGDM", "gradient of TMPD"} {
			if !(end[k] < 1e-4 && end[k] < 0.1*late[k] && late[k] < 0.2 && late[k] < early[k]) {
				t.Errorf("%s: %s: worst errors %.2g at Eps, %.2g at t = 0.02, %.2g at t = 0.6", name, what, end[k], late[k], early[k])
			}
		}
	}
}

// shrinking is a score that no law has for share > 1: -share x/Sigma^2, so that D = (1-share) x falls with x.
func shrinking(s sde.SDE, share float64) score.Func {
	return func(x, t *Node) *Node { return MulScalar(Div(x, sde.Like(Square(s.Sigma(t)), x)), -share) }
}

// TestTMPDOfImpossibleScores: derivatives of D that no law has, negative ones and 0, leave the value finite and the
// gradient of the size that it has for a flat law, gap/Sigma^2.
func TestTMPDOfImpossibleScores(t *testing.T) {
	o := must(Known([]bool{true, false}, row(1)))
	x := normals(source(1), 5, 2)
	for _, share := range []float64{0.9, 1, 1.001, 1.5, 3} {
		l := o.TMPD(shrinking(ve, share), ve)
		at := eval(t, backend.Go(), field(l), field(l.Score()))
		for _, now := range times(ve) {
			_, sigma := sde.At(ve, now)
			got := at(x, now)
			for i := range 5 {
				what := fmt.Sprintf("share %g, t = %.3g: gradient of sample %d", share, now, i)
				gap := 1 - (1-share)*x.At(i, 0)
				want := gap / (sigma * sigma) // slope/variance is 1/Sigma^2 whatever the slope
				if share >= 1 {
					want *= 1 - share
				}
				closeTo(t, what, got[1].At(i, 0), want, 1e-9*(1+math.Abs(want)))
				closeTo(t, what+": free coordinate", got[1].At(i, 1), 0, 0)
				if v := got[0].At(i, 0); math.IsNaN(v) || math.IsInf(v, 0) {
					t.Errorf("share %g, t = %g: log likelihood %g", share, now, v)
				}
			}
		}
	}
}

// TestPiGDMSamplesThePosterior: guided by an exact likelihood, the sampler draws from the exact posterior.
func TestPiGDMSamplesThePosterior(t *testing.T) {
	const std = 0.6
	cov := mat.NewSymDense(2, []float64{std * std, 0, 0, std * std})
	law := mixture([]float64{0.5, -0.2}, cov)
	y := []float64{1.4}
	for name, b := range backendtest.All(t) {
		for _, s := range []sde.SDE{ve, sde.VP{BetaMin: 0.1, BetaMax: 20}} {
			n, steps := 20000, 1000
			if !backend.OnDevice(b) {
				n, steps = 1000, 300
			}
			o := must(Observe(mat.NewDense(1, 2, []float64{1, 0.5}), 0.3, row(y...)))
			posterior, _, err := o.Exact(law, y)
			if err != nil {
				t.Fatal(err)
			}
			p := problem(law, s, n)
			p.Score = Guide(p.Score, o.PiGDM(p.Score, s, std), nil)
			x := run(t, must(sampler.New(b, p)), predict, sampler.Settings{Steps: steps, Seed: 1}).Samples()
			alpha, sigma := sde.At(s, s.Span().Eps)
			sampleMoments(t, fmt.Sprintf("%s, %s", name, s), x, posterior.Noised(alpha, sigma), 5/float64(steps))
		}
	}
}

func TestPiGDMErrors(t *testing.T) {
	law := dist.FourGaussians()
	o := must(Known([]bool{true, false}, row(1)))
	for _, std := range []float64{0, -1, math.NaN(), math.Inf(1)} {
		p := problem(law, ve, 3)
		p.Score = Guide(p.Score, o.PiGDM(p.Score, ve, std), nil)
		_, err := sampler.Run(t.Context(), backend.Go(), p, predict, sampler.Settings{Steps: 2})
		refused(t, fmt.Sprint(std), err, "standard deviation")
	}
}
