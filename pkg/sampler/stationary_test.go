package sampler

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/metric"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// repeat corrects many times at one time, with a = 1, from x.
func repeat(t *testing.T, p Problem, c Corrector, at float64, steps int, x *mat.Dense) *mat.Dense {
	t.Helper()
	l := loop.New(backend.Go(), nil, 1, func(_ *model.Scope, i *Node, state, inputs []*Node) []*Node {
		now := inputs[0]
		return []*Node{c.Correct(&p, noise.At(inputs[2], i), state[0], now, OnesLike(now), []*Node{Reshape(inputs[1], 1)})}
	})
	state := []*tensors.Tensor{Tensor(x, dtypes.Float64)}
	inputs := []*tensors.Tensor{tensors.FromValue([]float64{at}), tensors.FromValue(c.(Langevin).Knobs()), noise.Key(4, 0)}
	state, err := l.Run(0, steps, state, inputs)
	if err != nil {
		t.Fatal(err)
	}
	return Matrix(state[0])
}

// TestStationaryVariance: on N(0, v) the step eps leaves v/(1 - eps/(2 v)) invariant. With the expected norm
// eps = 2 (SNR Sigma)^2 at every step; the bias, of order eps, is part of the method.
func TestStationaryVariance(t *testing.T) {
	const n, at, std = 10000, 0.5, 0.05
	s := sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	data := target{[]float64{0.5, -1}, std}
	p := data.problem(s, n)
	p.DType = dtypes.Float64
	l := levels(s, []float64{at})[0]
	v := l.v(std)
	start := dist.Law(data.law()).Noised(l.alpha, l.sigma).Sample(source(1), n)
	for _, snr := range []float64{0.25, 0.4, 0.6} {
		eps := 2 * math.Pow(snr*l.sigma, 2)
		want := v / (1 - eps/(2*v))
		steps := int(math.Ceil(4 / (eps / v))) // forgets the start up to exp(-8)
		x := repeat(t, p, Langevin{snr, Expected}, at, steps, start)
		what := fmt.Sprintf("SNR %g, %d steps", snr, steps)
		data.checkMoments(t, what, x, moments{1, want}, 0.001)
		if se := v * math.Sqrt(1.0/n); want-v < 5*se {
			t.Errorf("%s: a bias of %.2g drowns in the noise, %.2g: the test cannot see it", what, want-v, se)
		}
	}
}

// TestStationaryBiasIsLinear measures the line x -> A x + C z of one correction in float64. Its stationary variance
// C^2/(1 - A^2) exceeds v by eps/2 to first order, and one correction of p_t itself moves the variance by eps^2/v only.
func TestStationaryBiasIsLinear(t *testing.T) {
	const at = 0.5
	data := target{[]float64{1}, 0.2}
	s := sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	p := data.problem(s, 2)
	p.DType = dtypes.Float64
	l := levels(s, []float64{at})[0]
	v := l.v(data.std)
	exec := MustNewExec(backend.Go(), func(x, t, r *Node) []*Node {
		rng := noise.Once(x.Graph(), 3)
		z := rng.Again().Normal(x.Shape())
		next := Langevin{1, Expected}.Correct(&p, rng, x, t, OnesLike(t), []*Node{r})
		return []*Node{next, z}
	})
	for _, snr := range []float64{1e-2, 0.1, 0.5} {
		at := func(x float64) (next, z []float64) {
			out := exec.MustCall([][]float64{{x}, {x}}, []float64{at}, []float64{snr})
			return flat(out[0]), flat(out[1])
		}
		from0, z := at(0)
		from1, _ := at(1)
		A, C := from1[0]-from0[0], (from0[1]-from0[0])/(z[1]-z[0])
		eps := C * C / 2
		what := fmt.Sprintf("SNR %g", snr)
		closeTo(t, what+": eps", eps/math.Pow(snr*l.sigma, 2), 2, 1e-9)
		closeTo(t, what+": bias/eps", (C*C/(1-A*A)-v)/eps, 0.5/(1-eps/(2*v)), 1e-6)
		closeTo(t, what+": one correction of p_t", (A*A*v+C*C-v)/(eps*eps), 1/v, 1e-5/snr)
	}
}

// fourGaussians is the demo of the report: four Gaussians of std 0.2 under VE up to sigma 4.
func fourGaussians(n int) Problem {
	s := sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	return Problem{SDE: s, Score: score.Exact(dist.FourGaussians(), s).Score(), N: n, Shape: []int{2}}
}

// outliers is the fraction of samples further than 3.5 std from every centre, 0.0022 for the exact law.
func outliers(x *mat.Dense) float64 {
	f, _, err := metric.OutOfK(x, dist.FourGaussians().Means(), 0.2, 3.5)
	return must(f, err)
}

// TestPerSampleNormFailsInTwoDimensions shows what Norm's comments warn of: in d = 2, 1/|score|^2 has no mean, and with
// the exact score the per-sample rule throws out a large part of the samples that the expected norm keeps. At batch 1 the
// paper's batch mean is the same rule.
func TestPerSampleNormFailsInTwoDimensions(t *testing.T) {
	const n = 1500
	lab := must(New(backend.Go(), fourGaussians(n)))
	for _, c := range []struct {
		norm   Norm
		lo, hi float64
	}{{PerSample, 0.15, 0.6}, {Expected, 0, 0.02}, {BatchMean, 0, 0.02}} {
		m := PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{0.16, c.norm}}
		if f := outliers(run(t, lab, m, Settings{Steps: 200, Seed: 2}).Samples()); !(f >= c.lo && f <= c.hi) {
			t.Errorf("%s: %.4f of the samples lie beyond 3.5 std, want between %g and %g", m, f, c.lo, c.hi)
		}
	}
	one := must(New(backend.Go(), fourGaussians(1)))
	var ends [2][]float64
	for k, norm := range []Norm{BatchMean, PerSample} {
		ends[k] = flat(run(t, one, PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{0.16, norm}}, Settings{Steps: 50, Seed: 2}).X)
	}
	for k := range ends[0] {
		closeTo(t, "batch 1: batch mean against per sample", ends[0][k], ends[1][k], 1e-3*math.Abs(ends[1][k]))
	}
}

// TestPCKeepsMarginals: with small steps a PC sampler that starts from p_T has the law p_t at every time it passes.
func TestPCKeepsMarginals(t *testing.T) {
	data := newTarget(4, 0.3)
	for _, s := range []sde.SDE{sde.VE{SigmaMin: 0.01, SigmaMax: 4}, sde.VP{BetaMin: 0.1, BetaMax: 20}, sde.SubVP{BetaMin: 0.1, BetaMax: 20}} {
		grid := levels(s, UniformSchedule(4, s.Span()))
		const n = 1500
		set := Settings{Steps: 400, Seed: 6}
		for _, l := range grid[1:] {
			set.Snapshots = append(set.Snapshots, l.t)
		}
		set.Init = Tensor(dist.Law(data.law()).Noised(grid[0].alpha, grid[0].sigma).Sample(source(2), n), dtypes.Float32)
		lab := must(New(backend.Go(), data.problem(s, n)))
		r := run(t, lab, PC{Predictor: ReverseDiffusion{}, Corrector: Langevin{0.05, Expected}}, set)
		for i, snap := range r.Snapshots {
			l := grid[i+1]
			what := fmt.Sprintf("%s at t = %.3g", s, snap.T)
			// 0.05^2 is the bias of the corrector; the predictor's is of order 1/400 of the rate.
			data.checkMoments(t, what, snap.Samples(), moments{l.alpha, l.v(data.std)}, 0.03)
		}
	}
}
