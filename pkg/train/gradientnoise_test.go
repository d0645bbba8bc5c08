package train

import (
	"math"
	"sort"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// slope is a network of one weight, y = w x; with the parametrisation RawTime, Sigma f + z is w x + z.
type slope struct{}

func (slope) Apply(scope *model.Scope, in score.Inputs) *Node {
	x := in.X
	return Mul(x, scope.VariableWithShape("w", shapes.Make(x.DType(), 1, 1)).NodeValue(x))
}

func (slope) String() string { return "slope" }

// sloped is the model of one weight w.
func sloped(t *testing.T, b compute.Backend, s sde.SDE, w float32) *score.Model {
	t.Helper()
	m := &score.Model{SDE: s, Parametrisation: score.RawTime, Net: slope{}, Std: 1, Store: model.NewStore(), Name: "slope"}
	if err := m.Init(1); err != nil {
		t.Fatal(err)
	}
	if err := m.Store.GetVariable(m.Scope() + "/w").SetValue(tensors.FromValue([][]float32{{w}})); err != nil {
		t.Fatal(err)
	}
	return m
}

// slopeNoise is the noise of the gradient for data +-a by quadrature: one example gives q = 2 (lambda/Sigma^2) (w x + z) x,
// whose moments at a time are polynomials, by Stein's lemma for those with z. density is that of the times drawn, up to
// a factor, at the times of v; even says that a batch shares one random number, u + i/B, and not independent ones.
func slopeNoise(v sde.Values, ratio, density []float64, w, a float64, batch int, even bool) (mean2, trace float64) {
	cdf := make([]float64, len(v.T))
	for k := 1; k < len(cdf); k++ {
		cdf[k] = cdf[k-1] + (density[k]+density[k-1])/2*(v.T[k]-v.T[k-1])
	}
	norm, span := cdf[len(cdf)-1], v.T[len(v.T)-1]-v.T[0]
	first, second := make([]float64, len(cdf)), make([]float64, len(cdf))
	for k := range cdf {
		cdf[k] /= norm
		weight := norm / (span * density[k]) * ratio[k]
		signal, noise := math.Pow(v.Alpha[k]*a, 2), math.Pow(v.Sigma[k], 2)
		x2, x4 := signal+noise, signal*signal+6*signal*noise+3*noise*noise
		first[k] = 2 * weight * (w*x2 + v.Sigma[k])
		second[k] = 4 * weight * weight * (w*w*x4 + 6*w*v.Sigma[k]*x2 + x2 + 2*noise)
	}
	at := func(y []float64, u float64) float64 {
		k := min(max(sort.SearchFloat64s(cdf, u), 1), len(cdf)-1)
		return y[k-1] + (u-cdf[k-1])/(cdf[k]-cdf[k-1])*(y[k]-y[k-1])
	}
	const shifts = 400
	n := float64(shifts * batch)
	var mean, square, within, between float64
	for i := range shifts * batch {
		u := (float64(i) + 0.5) / n
		f := at(first, u)
		mean, square, within = mean+f/n, square+at(second, u)/n, within+(at(second, u)-f*f)/n
	}
	for j := range shifts {
		sum := 0.0
		for i := range batch {
			sum += at(first, (float64(i)+(float64(j)+0.5)/shifts)/float64(batch)) / float64(batch)
		}
		between += (sum - mean) * (sum - mean) / shifts
	}
	if even {
		return mean * mean, within/float64(batch) + between
	}
	return mean * mean, (square - mean*mean) / float64(batch)
}

// TestGradientNoiseOfSlope: mean and variance of the gradient of one weight are those of quadrature, for all laws of times.
func TestGradientNoiseOfSlope(t *testing.T) {
	const a, w, batch = 0.7, -0.4, 16
	data := mat.NewDense(2, 1, []float64{a, -a})
	s := sde.VP{BetaMin: 0.1, BetaMax: 20}
	ts := make([]float64, 20001)
	for k := range ts {
		ts[k] = 1e-3 * math.Pow(1e3, float64(k)/20000)
	}
	ts[20000] = 1
	v, err := sde.Table(s, ts)
	if err != nil {
		t.Fatal(err)
	}
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		m := sloped(t, b, s, w)
		for _, weighting := range []objective.Weighting{objective.SigmaSquared, objective.Likelihood} {
			if backend.OnDevice(b) && weighting.Name != objective.Likelihood.Name {
				continue // it compiles, and changes what the objective's own tests cover
			}
			learned, err := objective.LearnTimes(b, objective.DSM{SDE: s, Weighting: weighting}, m.Live(), data, objective.LearnSettings{})
			if err != nil {
				t.Fatal(err)
			}
			ratio, flat, importance := make([]float64, len(ts)), make([]float64, len(ts)), make([]float64, len(ts))
			for k := range ts {
				importance[k], flat[k], ratio[k] = math.Pow(v.Diffusion[k]/v.Sigma[k], 2), 1, 1
				if weighting.Name == objective.Likelihood.Name {
					ratio[k] = importance[k]
				}
			}
			for _, law := range []struct {
				times   objective.TimeSampler
				density []float64
			}{{objective.Uniform{}, flat}, {objective.Stratified{}, flat}, {objective.Importance{}, importance}, {learned, learned.Density(ts)}} {
				o := objective.DSM{SDE: s, Weighting: weighting, Time: law.times}
				got, err := GradientNoise(b, m, o, Rows(data), NoiseSettings{Batch: batch, Batches: 1600, Seed: 5})
				if err != nil {
					t.Fatal(err)
				}
				mean2, trace := slopeNoise(v, ratio, law.density, w, a, batch, law.times != objective.Uniform{})
				t.Logf("%s: mean^2 %.4g +- %.2g, want %.4g; trace %.4g +- %.2g, want %.4g; ratio %.3g +- %.2g",
					o, got.Mean2.Value, got.Mean2.Stderr, mean2, got.Trace.Value, got.Trace.Stderr, trace, got.Ratio.Value, got.Ratio.Stderr)
				for _, c := range []struct {
					what string
					got  score.Mean
					want float64
				}{{"mean^2", got.Mean2, mean2}, {"trace", got.Trace, trace}, {"ratio", got.Ratio, trace / mean2}} {
					if !(math.Abs(c.got.Value-c.want) < 5*c.got.Stderr+1e-3*c.want) {
						t.Errorf("%s: %s %.5g +- %.2g, want %.5g", o, c.what, c.got.Value, c.got.Stderr, c.want)
					}
				}
				if !(got.Trace.Stderr < 0.2*trace) {
					t.Errorf("%s: the standard error %.3g of the trace %.3g is useless", o, got.Trace.Stderr, trace)
				}
			}
		}
		if got := tensors.MustCopyFlatData[float32](m.Store.GetVariable(m.Scope() + "/w").MustValue())[0]; got != w {
			t.Errorf("the weight moved to %g", got)
		}
	})
}

// TestGradientNoiseOrder: at the initial weights of a network, likelihood weighting under uniform times has a gradient much
// noisier than with importance sampling (Song et al. 2021, arXiv 2101.09258, section 4.2); the mean gradient is the same.
func TestGradientNoiseOrder(t *testing.T) {
	b, s := backend.MustOpen(), sde.VP{BetaMin: 0.1, BetaMax: 20}
	cfg := Default("noise", s, nets.MLP{Width: 16, Depth: 2})
	m := cfg.model(0.7, "x")
	if err := m.Store.SetRNGStateFromSeed(1); err != nil {
		t.Fatal(err)
	}
	measure := func(times objective.TimeSampler) Noise {
		noise, err := GradientNoise(b, m, objective.DSM{SDE: s, Weighting: objective.Likelihood, Time: times}, Rows(points(2000)),
			NoiseSettings{Batch: 64, Batches: 1600, Seed: 7})
		if err != nil {
			t.Fatal(err)
		}
		return noise
	}
	uniform, importance := measure(objective.Uniform{}), measure(objective.Importance{})
	t.Logf("trace %.4g +- %.2g uniform, %.4g +- %.2g importance", uniform.Trace.Value, uniform.Trace.Stderr, importance.Trace.Value, importance.Trace.Stderr)
	if off := uniform.Trace.Value - 2*importance.Trace.Value; !(off > 5*math.Hypot(uniform.Trace.Stderr, 3*importance.Trace.Stderr)) {
		t.Errorf("trace %.4g +- %.2g under uniform times, %.4g +- %.2g under importance sampling: want it twice as large at least",
			uniform.Trace.Value, uniform.Trace.Stderr, importance.Trace.Value, importance.Trace.Stderr)
	}
	if off := math.Abs(uniform.Mean2.Value - importance.Mean2.Value); !(off < 5*math.Hypot(uniform.Mean2.Stderr, importance.Mean2.Stderr)) {
		t.Errorf("squared mean gradients %.4g +- %.2g and %.4g +- %.2g", uniform.Mean2.Value, uniform.Mean2.Stderr, importance.Mean2.Value, importance.Mean2.Stderr)
	}
}

func TestGradientNoiseRefuses(t *testing.T) {
	s := sde.VP{BetaMin: 0.1, BetaMax: 20}
	m, o := sloped(t, backend.Go(), s, 1), objective.DSM{SDE: s}
	data, good := mat.NewDense(2, 1, []float64{1, -1}), NoiseSettings{Batch: 4, Batches: 32}
	second := func(_ Noise, err error) error { return err }
	for says, err := range map[string]error{
		"got nil":      second(GradientNoise(backend.Go(), nil, o, Rows(data), good)),
		"Batch = 0":    second(GradientNoise(backend.Go(), m, o, Rows(data), NoiseSettings{Batches: 32})),
		"Batches = 16": second(GradientNoise(backend.Go(), m, o, Rows(data), NoiseSettings{Batch: 1, Batches: 16})),
		"Batches = 40": second(GradientNoise(backend.Go(), m, o, Rows(data), NoiseSettings{Batch: 1, Batches: 40})),
		"BetaMin -1":   second(GradientNoise(backend.Go(), m, objective.DSM{SDE: sde.VP{BetaMin: -1}}, Rows(data), good)),
		"no data":      second(GradientNoise(backend.Go(), m, o, Rows(nil), good)),
		"not finite":   second(GradientNoise(backend.Go(), sloped(t, backend.Go(), s, 1e30), o, Rows(data), good)),
	} {
		if err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}
