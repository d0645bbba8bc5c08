package train

import (
	"math"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/metric"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestSimulatedDoubleWell learns the score of a process without a kernel (001-8): a blob N(0, 0.3^2) falls into two wells.
// By t = 1 its law is the stationary one, whose score is known; the other references are fine simulations, and the
// distance of two of them is the floor of every W1.
func TestSimulatedDoubleWell(t *testing.T) {
	b := onXLA(t)
	const n = 20000
	times := sde.Span{Eps: 0.02, T: 1}
	wells := sde.DoubleWell{Depth: 1, Noise: math.Sqrt2}
	process, err := wells.Process(times)
	if err != nil {
		t.Fatal(err)
	}
	reference := wells.Reference(times)
	blob := func(seed uint64) *mat.Dense {
		rng, x := rand.New(rand.NewPCG(seed, 0)), mat.NewDense(n, 1, nil)
		for i := range n {
			x.Set(i, 0, 0.3*rng.NormFloat64())
		}
		return x
	}
	cfg := Default("double-well", reference, nets.MLP{Width: 64, Depth: 2})
	cfg.Objective = objective.Simulated{Forward: process, Reference: reference, Steps: 32, Time: objective.Stratified{}, Trace: objective.Exact{}}
	cfg.Parametrisation = score.Epsilon // the law is far from the Gaussian about which score.EDM learns a correction
	cfg.Recipe = cfg.Over(6000)
	start := time.Now()
	f := mustFit(t, cfg, blob(1), Settings{Backend: b, Dir: t.TempDir()})
	t.Logf("trained in %.1f s", time.Since(start).Seconds())

	at := []float64{times.Eps, 0.3, times.T}
	simulate := func(seed uint64, steps int) [][]float64 {
		r, err := sampler.Simulate(t.Context(), b, blob(seed), process, sampler.Settings{Steps: steps, Seed: int64(seed), Snapshots: at})
		if err != nil {
			t.Fatal(err)
		}
		return columns(r)
	}
	w1 := func(x, y []float64) float64 {
		d, err := metric.Wasserstein1(x, y)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	exact, other := simulate(2, 500), simulate(3, 500)

	// (i) The score at T against the stationary one, over the law at T.
	exec, err := model.NewExec(b, model.NewStore(), func(_ *model.Scope, x, t *Node) []*Node {
		s := wells.Score(x)
		return []*Node{ReduceAllMean(Square(Sub(f.Func()(x, t), s))), ReduceAllMean(Square(s))}
	})
	if err != nil {
		t.Fatal(err)
	}
	sums := exec.MustCall(sampler.Tensor(mat.NewDense(n, 1, exact[2]), 0), []float32{float32(times.T)})
	relative := float64(tensors.ToScalar[float32](sums[0]) / tensors.ToScalar[float32](sums[1]))
	t.Logf("relative Fisher error at T: %.2g", relative)
	if !(relative < 0.03) {
		t.Errorf("relative Fisher error at T is %.3g, want < 0.03", relative)
	}

	// Beyond |x| = 1.9, where 0.1% of the data lie, the learned score is too flat to hold the reverse process, whose drift
	// is cubic: there the stationary score stands in for it.
	held := func(x, t *Node) *Node {
		return Where(GreaterThan(Abs(x), ConstAs(x, 1.9)), wells.Score(x), f.Func()(x, t))
	}
	labFor := func(f score.Func) *sampler.Sampler {
		lab, err := sampler.New(b, sampler.Problem{SDE: reference, Score: f, N: n, Shape: []int{1}})
		if err != nil {
			t.Fatal(err)
		}
		return lab
	}
	// (ii) Langevin dynamics at T, from N(0, 1).
	langevin := func(f score.Func) []float64 {
		r, err := labFor(f).Run(t.Context(), sampler.PC{Corrector: sampler.Langevin{SNR: 0.07, Norm: sampler.Expected}},
			sampler.Settings{Steps: 500, Seed: 5, Schedule: func(n int, span sde.Span) []float64 {
				return sampler.UniformSchedule(n, sde.Span{Eps: 0.99 * span.T, T: span.T})
			}})
		if err != nil {
			t.Fatal(err)
		}
		return columns(r)[0]
	}
	// The bounds are 0.015 where nothing is learned, three times the distance of two simulations, and 0.04 where the score
	// is: the measured 0.02 to 0.032 and a margin.
	check := func(what string, x, want, floor []float64, bound float64) {
		t.Helper()
		d, f := w1(x, want), w1(want, floor)
		t.Logf("%s: W1 %.4f, two simulations differ by %.4f", what, d, f)
		if !(d < bound) {
			t.Errorf("%s: W1 %.4f, want < %g; two simulations differ by %.4f", what, d, bound, f)
		}
	}
	check("Langevin at T, exact score", langevin(func(x, _ *Node) *Node { return wells.Score(x) }), exact[2], other[2], 0.015)
	check("Langevin at T, learned score", langevin(held), exact[2], other[2], 0.04)

	check("simulation in the steps of training", simulate(4, 32)[2], exact[2], other[2], 0.015)

	// (iii) The reverse process from the law at T.
	r, err := labFor(held).Run(t.Context(), sampler.PC{Predictor: &sampler.ReverseOf{Process: process}}, sampler.Settings{
		Steps: 500, Seed: 6, Init: sampler.Tensor(mat.NewDense(n, 1, other[2]), 0), Snapshots: at})
	if err != nil {
		t.Fatal(err)
	}
	for k, x := range columns(r) {
		if at[k] < times.T {
			check("reverse at t = "+[]string{"Eps", "0.3"}[k], x, exact[k], other[k], 0.04)
		}
	}
}

// columns are the samples of the snapshots, or of the end if there are none, in one dimension.
func columns(r *sampler.Result) [][]float64 {
	if len(r.Snapshots) == 0 {
		return [][]float64{r.Samples().RawMatrix().Data}
	}
	var all [][]float64
	for _, snap := range r.Snapshots {
		all = append(all, snap.Samples().RawMatrix().Data)
	}
	return all
}

// TestSimulatedAffineScore: where the kernel is known, the score that was learned without it is as good as that of
// implicit matching with it, and close to the exact one (001-8).
func TestSimulatedAffineScore(t *testing.T) {
	b := onXLA(t)
	vp := sde.VP{BetaMin: 0.1, BetaMax: 8, Times: sde.Span{Eps: 0.05, T: 1}}
	cfg, data, _ := fourGaussians(3000)
	cfg.Net, cfg.Batch = nets.MLP{Width: 64, Depth: 2}, 128
	var errors []float64
	for _, o := range []objective.ScoreMatching{
		objective.Simulated{Forward: sde.Affine(vp), Reference: vp, Steps: 10, Time: objective.Stratified{}, Trace: objective.Exact{}},
		objective.Implicit{SDE: vp, Time: objective.Stratified{}, Trace: objective.Exact{}},
	} {
		cfg.Objective = o
		f := mustFit(t, cfg, data, Settings{Backend: b, Dir: t.TempDir()})
		toGo(t, f.Store)
		points, err := score.Exact(dist.FourGaussians(), vp).Fisher(backend.Go(), f.Func(), []float64{0.05, 0.2, 0.4, 0.7, 1}, 4000, 2)
		if err != nil {
			t.Fatal(err)
		}
		errors = append(errors, score.MaxError(points))
		t.Logf("%s: Fisher error at most %.2g", o, errors[len(errors)-1])
	}
	if !(math.Abs(errors[0]-errors[1]) < 0.02 && errors[0] < 0.08) {
		t.Errorf("Fisher error at most %.3g simulated, %.3g with the kernel", errors[0], errors[1])
	}
}

// TestIdentitySimulated: what an objective simulates, and in how many steps, is part of a run's identity, and so are the
// levels of a discrete one.
func TestIdentitySimulated(t *testing.T) {
	times := sde.Span{Eps: 0.02, T: 1}
	simulated := func(depth float64, steps int) objective.ScoreMatching {
		wells := sde.DoubleWell{Depth: depth, Noise: 1}
		process, err := wells.Process(times)
		if err != nil {
			t.Fatal(err)
		}
		return objective.Simulated{Forward: process, Reference: wells.Reference(times), Steps: steps}
	}
	leveled := func(n int) objective.ScoreMatching {
		return objective.DSM{SDE: sde.OU1(), Time: objective.Levels{N: n}}
	}
	ids := map[string]int{}
	for k, o := range []objective.ScoreMatching{simulated(1, 10), simulated(2, 10), simulated(1, 11), leveled(10), leveled(11)} {
		cfg := Default("run", sde.OU1(), nets.MLP{Width: 4, Depth: 1})
		cfg.Objective = o
		id, err := idOf(cfg, points(4))
		if err != nil {
			t.Fatal(err)
		}
		if other, taken := ids[id]; taken {
			t.Errorf("objectives %d and %d have one identity", other, k)
		}
		ids[id] = k
	}
}
