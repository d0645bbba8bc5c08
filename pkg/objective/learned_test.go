package objective

import (
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// spherical is N(0, variance I) in the plane. With its exact score Sigma s + z is N(0, r I) with
// r = Alpha^2 variance/(Alpha^2 variance + Sigma^2), so that the loss at t is lambda r/Sigma^2 times a chi-squared variable.
const variance = 0.25

func spherical(t *testing.T) dist.Gaussian {
	t.Helper()
	law, err := dist.NewIsotropicGaussian([]float64{0, 0}, math.Sqrt(variance))
	if err != nil {
		t.Fatal(err)
	}
	return law
}

func learn(t *testing.T, b compute.Backend, o DSM, set LearnSettings) Learned {
	t.Helper()
	law := spherical(t)
	learned, err := LearnTimes(b, o, score.Exact(law, o.SDE).Score(), law.Sample(rand.New(rand.NewPCG(3, 1)), 4000), set)
	if err != nil {
		t.Fatal(err)
	}
	return learned
}

// chiSquared is the loss at the times of v over the chi-squared variable, for lambda = g^2 or Sigma^2.
func chiSquared(v sde.Values, w Weighting) []float64 {
	out := make([]float64, len(v.T))
	for k := range out {
		a, s := math.Pow(v.Alpha[k], 2)*variance, math.Pow(v.Sigma[k], 2)
		out[k] = a / (a + s)
		if w.Name == Likelihood.Name {
			out[k] *= math.Pow(v.Diffusion[k], 2) / s
		}
	}
	return out
}

var (
	exploding  = sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	preserving = sde.VP{BetaMin: 0.1, BetaMax: 20}
)

// TestLearnedOptimum: the measured law is the one of least variance where that is known, (1-c) E[L^2]^1/2/norm + c/span,
// and the variance of the loss under it is the least one but for what the floor c costs, far below that of uniform times.
func TestLearnedOptimum(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, o := range []DSM{{exploding, SigmaSquared, nil}, {exploding, Likelihood, nil}, {preserving, SigmaSquared, nil}, {preserving, Likelihood, nil}} {
			if name == "xla" && (o.SDE != sde.SDE(preserving) || o.Weighting.Name != Likelihood.Name) {
				continue // each case compiles
			}
			const floor = 0.05
			law := learn(t, b, o, LearnSettings{Draws: 4000, Seed: 2})
			v := fine(t, o.SDE)
			scale, span := chiSquared(v, o.Weighting), o.SDE.Span()
			norm := cumulative(v.T, func(k int) float64 { return scale[k] })
			density := law.Density(v.T)
			got := cumulative(v.T, func(k int) float64 { return density[k] })
			worst := 0.0
			for k, at := range v.T {
				want := (1-floor)*norm[k] + floor*(at-span.Eps)/(span.T-span.Eps)
				worst = math.Max(worst, math.Abs(got[k]-want))
			}
			if !(worst < 0.01) {
				t.Errorf("%s %s: the distribution is off by %.3g", name, o, worst)
			}
			// Second moments of loss over density, in units of that of the chi-squared variable.
			integral := func(y func(k int) float64) float64 {
				sum := 0.0
				for k := 1; k < len(v.T); k++ {
					sum += (y(k) + y(k-1)) / 2 * (v.T[k] - v.T[k-1])
				}
				return sum
			}
			least := math.Pow(integral(func(k int) float64 { return scale[k] }), 2)
			reached := integral(func(k int) float64 { return scale[k] * scale[k] / density[k] })
			uniform := integral(func(k int) float64 { return scale[k] * scale[k] }) * (span.T - span.Eps)
			t.Logf("%s %s: second moment %.4f of the least, uniform %.4f", name, o, reached/least, uniform/least)
			if !(reached > 0.99*least && reached < 1.06*least && reached < 0.9*uniform) {
				t.Errorf("%s %s: second moment %.4f of the least, uniform %.4f", name, o, reached/least, uniform/least)
			}
		}
	}
}

// TestLearnedUnbiased: weighted means over the drawn times are means over uniform times, the weights are the ratio of
// densities, and the floor bounds them.
func TestLearnedUnbiased(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, s := range []sde.SDE{exploding, preserving} {
			if name == "xla" && s != sde.SDE(preserving) {
				continue // each process compiles
			}
			const floor = 0.1
			law := learn(t, backend.Go(), DSM{SDE: s, Weighting: Likelihood}, LearnSettings{Draws: 500, Floor: floor})
			span := s.Span()
			d := draw(t, b, s, dtypes.Float64, 8192, law)[0]
			what := name + " " + s.String() + " " + law.String()
			checkInside(t, what, d, span)
			checkMeans(t, what, d, span)
			density := law.Density(d.t)
			for k, w := range d.weight {
				if want := 1 / ((span.T - span.Eps) * density[k]); math.Abs(w-want) > 1e-9*want || w > 1.0001/floor {
					t.Fatalf("%s: weight %g at %g, want %g, at most %g", what, w, d.t[k], want, 1/floor)
				}
			}
			loss := average(t, b, dtypes.Float64, 50, 2, func(rng noise.Source) []*Node {
				u := rng.Uniform(shapes.Make(dtypes.Float64, 1))
				x0 := Reshape(Const(u.Graph(), spherical(t).Sample(rand.New(rand.NewPCG(3, 2)), 512).RawMatrix().Data), 512, 2)
				var values []*Node
				for _, times := range []TimeSampler{law, Stratified{}} {
					loss := DSM{s, SigmaSquared, times}.Loss(score.Exact(spherical(t), s).Score(), rng, x0, nil)
					values = append(values, loss)
				}
				return values
			})
			if off := math.Abs(loss[0].mean - loss[1].mean); !(off < 5*math.Hypot(loss[0].stderr, loss[1].stderr)) {
				t.Errorf("%s: loss %.4f +- %.4f, stratified %.4f +- %.4f", what, loss[0].mean, loss[0].stderr, loss[1].mean, loss[1].stderr)
			}
		}
	}
}

// TestLearnedIdentity: names tell laws apart and are the same for the same measurement; a law serves its own span only.
func TestLearnedIdentity(t *testing.T) {
	b, o := backend.Go(), DSM{SDE: preserving, Weighting: Likelihood}
	law := learn(t, b, o, LearnSettings{Draws: 100})
	if again := learn(t, b, o, LearnSettings{Draws: 100}); again.String() != law.String() {
		t.Errorf("%s and %s for one measurement", law, again)
	}
	for what, other := range map[string]Learned{
		"seed":      learn(t, b, o, LearnSettings{Draws: 100, Seed: 1}),
		"floor":     learn(t, b, o, LearnSettings{Draws: 100, Floor: 0.5}),
		"process":   learn(t, b, DSM{SDE: exploding, Weighting: Likelihood}, LearnSettings{Draws: 100}),
		"weighting": learn(t, b, DSM{SDE: preserving}, LearnSettings{Draws: 100}),
	} {
		if other.String() == law.String() {
			t.Errorf("another %s has the name %s too", what, law)
		}
	}
	o.Time = law
	if err := o.Validate(); err != nil || !strings.Contains(o.String(), law.String()) {
		t.Errorf("%s: %v", o, err)
	}
	elsewhere := sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{Eps: 1e-2, T: 1}}
	for says, times := range map[string]TimeSampler{"cannot serve": law, "is empty": Learned{}} {
		if err := (DSM{SDE: elsewhere, Time: times}).Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
	if d := (Learned{}).Density([]float64{0.5})[0]; !math.IsNaN(d) || !math.IsNaN(law.Density([]float64{2})[0]) {
		t.Error("a density outside the span, or of an empty law")
	}
}

func TestLearnTimesRefuses(t *testing.T) {
	b, o, f := backend.Go(), DSM{SDE: preserving}, score.Exact(spherical(t), preserving).Score()
	data := mat.NewDense(2, 2, []float64{1, 2, 3, 4})
	huge := func(x, _ *Node) *Node { return MulScalar(x, 1e15) }
	for says, err := range map[string]error{
		"got nil":      second(LearnTimes(b, o, nil, data, LearnSettings{})),
		"Draws = 1":    second(LearnTimes(b, o, f, data, LearnSettings{Draws: 1})),
		"Floor = 1.5":  second(LearnTimes(b, o, f, data, LearnSettings{Floor: 1.5})),
		"Floor = -1":   second(LearnTimes(b, o, f, data, LearnSettings{Floor: -1})),
		"row 0":        second(LearnTimes(b, o, f, mat.NewDense(1, 2, []float64{math.NaN(), 0}), LearnSettings{})),
		"[0, 0]":       second(LearnTimes(b, o, f, &mat.Dense{}, LearnSettings{})),
		"sde: ":        second(LearnTimes(b, DSM{}, f, data, LearnSettings{})),
		"losses are 0": second(newLearned(o, []float64{1e-3, 0.5, 1}, []float64{0, 0}, 0.05)),
		"float32":      second(LearnTimes(b, o, huge, data, LearnSettings{})),
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}

func second[T any](_ T, err error) error { return err }
