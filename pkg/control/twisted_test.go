package control

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/metric"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// populations runs a twisted sampler and reads its particles.
func populations(t *testing.T, lab *sampler.Sampler, w *Twisted, set sampler.Settings) *Particles {
	t.Helper()
	return must(w.Population(run(t, lab, w, set)))
}

// checkBooks checks what holds of all populations: weights that sum to 1, and sizes that follow from them.
func checkBooks(t *testing.T, what string, p *Particles) {
	t.Helper()
	groups, k := p.Weights.Dims()
	if n, _ := p.X.Dims(); n != groups*k || len(p.ESS) != groups || len(p.LogEvidence) != groups || len(p.Resamples) != groups {
		t.Fatalf("%s: %d points and %d sizes for weights [%d, %d]", what, n, len(p.ESS), groups, k)
	}
	for g := range groups {
		total, square := 0.0, 0.0
		for _, w := range p.Weights.RawRowView(g) {
			total += w
			square += w * w
		}
		closeTo(t, what+": sum of weights", total, 1, 1e-4)
		closeTo(t, what+": effective sample size", p.ESS[g], 1/square, 1e-6*float64(k))
		if !(p.LowestESS[g] <= p.ESS[g]*(1+1e-3) && p.LowestESS[g] >= 0) {
			t.Errorf("%s: lowest effective sample size %g, at the end %g", what, p.LowestESS[g], p.ESS[g])
		}
	}
}

// TestExactTwist: where the twist is p_t(y|x) itself, here of a component of a mixture, every particle keeps the same
// weight but for the errors of the steps, and the evidence is the weight of the component.
func TestExactTwist(t *testing.T) {
	law := uneven()
	for name, b := range backendtest.All(t) {
		k, steps, least := 2000, 400, 0.9
		if !backend.OnDevice(b) {
			k, steps, least = 100, 100, 0.8
		}
		y := must(NewLabels([]int{2}, 4))
		w := NewTwisted(Class(score.Exact(law, ve).Posterior(), y), k)
		lab := must(sampler.New(b, problem(law, ve, 2*k)))
		for _, class := range []int{2, 3} {
			if err := y.Set([]int{class}); err != nil {
				t.Fatal(err)
			}
			p := populations(t, lab, w, sampler.Settings{Steps: steps, Seed: 1})
			checkBooks(t, name, p)
			for g := range 2 {
				what := fmt.Sprintf("%s, class %d, group %d", name, class, g)
				if backend.OnDevice(b) {
					closeTo(t, what+": log evidence", p.LogEvidence[g], math.Log(law.Weights()[class]), 0.03)
				}
				if !(p.ESS[g] > least*float64(k)) {
					t.Errorf("%s: effective sample size %.4g of %d", what, p.ESS[g], k)
				}
			}
			near := p.Share(func(x []float64) bool {
				return math.Hypot(x[0]-law.Means().At(class, 0), x[1]-law.Means().At(class, 1)) < 1
			})
			closeTo(t, name+": share near the component", near[0], 1, 0.03)
		}
		if lab.Builds() != 1 {
			t.Errorf("%s: %d builds, want 1", name, lab.Builds())
		}
	}
}

// TestTwistedGaussian: weighted moments and evidence of a correlated Gaussian given a noisy linear observation, from a
// twist that is wrong on the way: the mean over groups is the closed form within Monte Carlo error.
func TestTwistedGaussian(t *testing.T) {
	const groups, k = 64, 256
	law := mixture([]float64{0.5, -0.2}, mat.NewSymDense(2, []float64{0.6, 0.3, 0.3, 0.4}))
	y := []float64{1.2}
	o := must(Observe(row(1, 0.5), 0.4, row(y...)))
	posterior, logEvidence, err := o.Exact(law, y)
	if err != nil {
		t.Fatal(err)
	}
	logEvidence += math.Log(math.Hypot(1, 0.5)) // to the units of the known coordinate
	base := score.Exact(law, ve).Score()
	lab := must(sampler.New(xla(t), problem(law, ve, groups*k)))
	w := NewTwisted(o.PiGDM(base, ve, 3), k)
	w.Threshold = 0.9
	p := populations(t, lab, w, sampler.Settings{Steps: 500, Seed: 1})
	checkBooks(t, "Gaussian", p)
	each := func(f func(x []float64) float64) []float64 {
		out := make([]float64, groups)
		for g := range out {
			for i, w := range p.Weights.RawRowView(g) {
				out[g] += w * f(p.X.RawRowView(g*k+i))
			}
		}
		return out
	}
	check := func(what string, values []float64, want, allow float64) {
		t.Helper()
		mean, se := average(values)
		t.Logf("%s: %.4f, want %.4f +- %.4f", what, mean, want, se)
		closeTo(t, what, mean, want, 5*se+allow)
	}
	const allow = 0.01 // of 500 steps and 256 particles
	mean, cov := posterior.Mean(), posterior.Cov()
	for i := range 2 {
		check("mean", each(func(x []float64) float64 { return x[i] }), mean[i], allow)
		for j := range i + 1 {
			check("covariance", each(func(x []float64) float64 { return (x[i] - mean[i]) * (x[j] - mean[j]) }), cov.At(i, j), allow)
		}
	}
	ratios := make([]float64, groups)
	for g, l := range p.LogEvidence {
		ratios[g] = math.Exp(l - logEvidence)
	}
	check("evidence over the exact one", ratios, 1, 2*allow)
	if slices.Max(p.Resamples) == 0 {
		t.Error("no group was resampled: the twist is too good for this test")
	}
}

// modeShares are the weights of up, middle and down in each group.
func modeShares(p *Particles) [][]float64 {
	groups, _ := p.Weights.Dims()
	out := make([][]float64, groups)
	for m := range 3 {
		for g, s := range p.Share(func(x []float64) bool { return modeOf(x) == m }) {
			out[g] = append(out[g], s)
		}
	}
	return out
}

// TestTwistedFourGaussians: given x_1 = 1/2 the weights of the three modes tend to 1/3 as 1/sqrt(particles).
func TestTwistedFourGaussians(t *testing.T) {
	const n, steps = 8192, 250
	b := xla(t)
	law := dist.FourGaussians()
	base := score.Exact(law, ve).Score()
	lab := must(sampler.New(b, problem(law, ve, n)))
	exact := []float64{1. / 3, 1. / 3, 1. / 3}
	var logK, logTV []float64
	for _, k := range []int{64, 1024} { // a third half-way would have no weight in the slope
		p := populations(t, lab, NewTwisted(half().TMPD(base, ve), k), sampler.Settings{Steps: steps, Seed: int64(k)})
		checkBooks(t, "ring", p)
		var distances []float64
		for _, shares := range modeShares(p) {
			distances = append(distances, must(metric.TotalVariation(shares, exact)))
		}
		tv, se := average(distances)
		t.Logf("K = %d: total variation %.4f +- %.4f over %d groups", k, tv, se, len(distances))
		logK, logTV = append(logK, math.Log(float64(k))), append(logTV, math.Log(tv))
		if k == 1024 && !(tv < 0.04) {
			t.Errorf("total variation %.4f with 1024 particles, want < 0.04", tv)
		}
	}
	slope := (logTV[1] - logTV[0]) / (logK[1] - logK[0])
	closeTo(t, "slope of log total variation in log K", slope, -0.5, 0.15)
}

// TestBadTwist: particles get the modes right also with a likelihood whose spread is three times too large, with which
// guidance alone does not.
func TestBadTwist(t *testing.T) {
	const n, k, steps = 8192, 1024, 250
	b := xla(t)
	law := uneven()
	y := []float64{0.45}
	o := must(Observe(row(1, 0), 0.2, row(y...)))
	posterior, _, err := o.Exact(law, y)
	if err != nil {
		t.Fatal(err)
	}
	exact := make([]float64, 3) // of the posterior noised to Eps, by its own samples
	sample := posterior.Sample(source(1), 400000)
	for m, share := range modesAt(sample) {
		exact[m] = share
	}
	base := score.Exact(law, ve).Score()
	bad := o.PiGDM(base, ve, 3*math.Sqrt(law.Cov().At(0, 0)))
	p := problem(law, ve, n)
	particles := populations(t, must(sampler.New(b, p)), NewTwisted(bad, k), sampler.Settings{Steps: steps, Seed: 1})
	p.Score = Guide(base, bad, nil)
	guided := modesAt(run(t, must(sampler.New(b, p)), predict, sampler.Settings{Steps: steps, Seed: 1}).Samples())
	shares := modeShares(particles)
	for m := range 3 {
		var each []float64
		for _, s := range shares {
			each = append(each, s[m])
		}
		mean, se := average(each)
		t.Logf("mode %d: exact %.4f, particles %.4f +- %.4f, guidance %.4f", m, exact[m], mean, se, guided[m])
		closeTo(t, fmt.Sprintf("mode %d", m), mean, exact[m], 5*se+0.01)
	}
	if gap := must(metric.TotalVariation(guided, exact)); !(gap > 0.03) {
		t.Errorf("guidance alone is %.3f off: the twist is too good for this test", gap)
	}
}

// spoiled is a likelihood whose values are broken in group 1 of 3, to -Inf for how = 0 and NaN for 1, once t <= after.
func spoiled(l score.LogDensity, how *Scale, k int, after *Scale) score.LogDensity {
	return func(x, t *Node) *Node {
		group := Iota(x.Graph(), shapes.Make(dtypes.Int32, x.Shape().Dim(0)), 0)
		hit := And(GreaterOrEqual(group, Const(x.Graph(), int32(k))), LessThan(group, Const(x.Graph(), int32(2*k))))
		hit = And(hit, LessOrEqual(t, Reshape(after.node(t), 1)))
		zero := Mul(ReduceSum(Square(x), -1), ConstAs(x, []float64{0}))
		zero = Sub(zero, Reshape(how.node(x), 1))
		broken := Log(Where(hit, zero, OnesLike(zero))) // with a gradient that is NaN, in that group only
		return Where(hit, broken, l(x, t))
	}
}

// TestResample: points take their score, twist and pull with them and stay in their group; a group whose effective sample
// size is high enough stays as it is.
func TestResample(t *testing.T) {
	const groups, k = 3, 16
	w := NewTwisted(nil, k)
	weights := mat.NewDense(groups, k, nil)
	for j := range k {
		weights.Set(0, j, float64(1+j%4)/40) // in group 0 all live; group 1 has two particles, the last group one
	}
	weights.Set(1, 3, 0.5)
	weights.Set(1, 9, 0.5)
	weights.Set(2, 7, 1)
	start := mat.NewDense(groups*k, 1, nil)
	for i := range groups * k {
		start.Set(i, 0, float64(i))
	}
	logs := mat.DenseCopyOf(weights)
	logs.Apply(func(_, _ int, v float64) float64 { return math.Log(v) }, logs)
	for name, b := range backendtest.All(t) {
		out, err := CallOnceN(b, func(x, logWeight *Node) []*Node {
			aux := make([]*Node, auxSize)
			aux[auxLogWeight], aux[auxLogTwist] = logWeight, MulScalar(Reshape(x, groups*k), 2)
			aux[auxScore], aux[auxPull] = MulScalar(x, 3), MulScalar(x, 4)
			aux[auxResamples] = ZerosLike(ReduceSum(logWeight, 1))
			next := w.resample(noise.Once(x.Graph(), 1), x, aux, ConstAs(x, []float64{0.5}))
			return []*Node{next, Reshape(aux[auxLogTwist], groups*k, 1), aux[auxScore], aux[auxPull], aux[auxLogWeight], aux[auxResamples]}
		}, host.Tensor(start, dtypes.Float64), host.Tensor(logs, dtypes.Float64))
		if err != nil {
			t.Fatal(err)
		}
		x := host.Matrix(out[0])
		for c := 1; c <= 3; c++ {
			var want mat.Dense
			want.Scale(float64(c+1), x)
			wantClose(t, fmt.Sprintf("%s: carried %d", name, c), host.Matrix(out[c]), &want, 0)
		}
		after := host.Matrix(out[4])
		for i := range groups * k {
			want := []float64{float64(i), float64(k + 3 + i%k/8*6), 2*k + 7}[i/k]
			closeTo(t, fmt.Sprintf("%s: ancestor of %d", name, i), x.At(i, 0), want, 0)
			logWeight := -math.Log(k)
			if i < k {
				logWeight = logs.At(0, i)
			}
			closeTo(t, name+": log weight", after.At(i/k, i%k), logWeight, 1e-12)
		}
		if counts := host.Values(out[5]); !slices.Equal(counts, []float64{0, 1, 1}) {
			t.Errorf("%s: counted %v resamplings", name, counts)
		}
	}
}

// TestDegenerate: a group without any weight is named, keeps finite particles with equal weights, and does not touch
// the others.
func TestDegenerate(t *testing.T) {
	law := dist.FourGaussians()
	base := score.Exact(law, ve).Score()
	const k = 20
	for name, b := range backendtest.All(t) {
		lab := must(sampler.New(b, problem(law, ve, 3*k)))
		set := sampler.Settings{Steps: 30, Seed: 1}
		o := half()
		how, after := must(NewScale(0)), must(NewScale(0)) // one executable for all
		w := NewTwisted(spoiled(o.PiGDM(base, ve, 0.7), how, k, after), k)
		sound := populations(t, lab, w, set)
		if sound.Status != Sound || sound.Status.String() != "sound" || len(sound.Degenerate) != 0 {
			t.Errorf("%s: sound groups are %s: %v", name, sound.Status, sound.Degenerate)
		}
		for _, c := range []struct {
			value      string
			how, after float64
		}{{"-Inf", 0, 1}, {"NaN", 1, 0.5}} {
			what := fmt.Sprintf("%s: %s from t = %g", name, c.value, c.after)
			if err := errors.Join(how.Set(c.how), after.Set(c.after)); err != nil {
				t.Fatal(err)
			}
			p := populations(t, lab, w, set)
			if p.Status != Degenerate || p.Status.String() != "degenerate" || !slices.Equal(p.Degenerate, []int{1}) {
				t.Errorf("%s: %s, groups %v, want degenerate group 1", what, p.Status, p.Degenerate)
			}
			checkBooks(t, what, p)
			for _, v := range slices.Concat(p.X.RawMatrix().Data, p.Weights.RawMatrix().Data) {
				if math.IsNaN(v) || math.IsInf(v, 0) {
					t.Fatalf("%s: found %g among points and weights", what, v)
				}
			}
			wantClose(t, what+": weights of the group", p.Weights.Slice(1, 2, 0, k), sound.equal(), 1e-5)
			if !math.IsInf(p.LogEvidence[1], -1) || p.LowestESS[1] != 0 {
				t.Errorf("%s: log evidence %g, lowest effective sample size %g", what, p.LogEvidence[1], p.LowestESS[1])
			}
			for _, g := range []int{0, 2} {
				wantClose(t, what+": the other groups", p.X.Slice(g*k, g*k+k, 0, 2), sound.X.Slice(g*k, g*k+k, 0, 2), 1e-4)
				closeTo(t, what+": evidence of another group", p.LogEvidence[g], sound.LogEvidence[g], 1e-3)
			}
		}
	}
}

// TestDominated: an observation far from all data leaves the weight of its group to one particle, which is a status, with
// finite numbers and the groups of possible observations sound.
func TestDominated(t *testing.T) {
	law := dist.FourGaussians()
	base := score.Exact(law, ve).Score()
	const k = 64
	y := mat.NewDense(2*k, 1, nil)
	for i := range 2 * k {
		y.Set(i, 0, []float64{0.5, 50}[i/k])
	}
	for name, b := range backendtest.All(t) {
		o, err := Known([]bool{true, false}, y)
		if err != nil {
			t.Fatal(err)
		}
		p := populations(t, must(sampler.New(b, problem(law, ve, 2*k))), NewTwisted(o.PiGDM(base, ve, 0.7), k), sampler.Settings{Steps: 60, Seed: 1})
		checkBooks(t, name, p)
		if p.Status != Degenerate || !slices.Equal(p.Degenerate, []int{1}) {
			t.Errorf("%s: %s, groups %v, lowest sizes %v, want group 1 alone", name, p.Status, p.Degenerate, p.LowestESS)
		}
		for _, v := range slices.Concat(p.X.RawMatrix().Data, p.Weights.RawMatrix().Data) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				t.Fatalf("%s: found %g among points and weights", name, v)
			}
		}
	}
}

// equal are equal weights of one group.
func (p *Particles) equal() *mat.Dense {
	_, k := p.Weights.Dims()
	return mat.NewDense(1, k, slices.Repeat([]float64{1 / float64(k)}, k))
}

// TestDeadParticles: particles whose likelihood is 0 on the way die, and their group goes on with the others.
func TestDeadParticles(t *testing.T) {
	law := dist.FourGaussians()
	const k = 64
	for name, b := range backendtest.All(t) {
		// The value is -Inf = log(-0) or NaN = log(-1), in one executable.
		negative := must(NewScale(0))
		barred := func(x, t *Node) *Node { // no weight for x_1 < 0
			left := Reshape(SliceAxis(x, 1, AxisElem(0)), x.Shape().Dim(0))
			bad := Log(Neg(Reshape(negative.node(x), 1)))
			return Where(LessThan(left, ZerosLike(left)), Add(ZerosLike(left), bad), Mul(left, ZerosLike(left)))
		}
		lab, w := must(sampler.New(b, problem(law, ve, 2*k))), NewTwisted(barred, k)
		for v, bad := range []float64{math.Inf(-1), math.NaN()} {
			if err := negative.Set(float64(v)); err != nil {
				t.Fatal(err)
			}
			p := populations(t, lab, w, sampler.Settings{Steps: 60, Seed: 1})
			checkBooks(t, name, p)
			if p.Status != Sound || slices.Min(p.Resamples) == 0 {
				t.Errorf("%s, %g: groups %v are degenerate; resampled %v times", name, bad, p.Degenerate, p.Resamples)
			}
			for g, share := range p.Share(func(x []float64) bool { return x[0] >= 0 }) {
				closeTo(t, fmt.Sprintf("%s, %g: share of group %d with a likelihood", name, bad, g), share, 1, 1e-5)
			}
		}
	}
}

func TestTwistedErrors(t *testing.T) {
	law := dist.FourGaussians()
	flat := func(x, _ *Node) *Node { return ReduceSum(ZerosLike(x), -1) }
	nan := math.NaN()
	for name, b := range backendtest.All(t) {
		lab := must(sampler.New(b, problem(law, ve, 30)))
		for _, c := range []struct {
			says   string
			change func(w *Twisted)
		}{
			{"8 particles of a group do not divide Problem.N = 30", func(w *Twisted) { w.particles = 8 }},
			{"got 1 particles", func(w *Twisted) { w.particles = 1 }},
			{"got 0 particles", func(w *Twisted) { w.particles = 0 }},
			{"got -3 particles", func(w *Twisted) { w.particles = -3 }},
			{"Threshold = -0.1", func(w *Twisted) { w.Threshold = -0.1 }},
			{"Threshold = 1.1", func(w *Twisted) { w.Threshold = 1.1 }},
			{"Threshold = NaN", func(w *Twisted) { w.Threshold = nan }},
			{"no twist", func(w *Twisted) { *w.twist = nil }},
			{"Kernel is nil", func(w *Twisted) { w.Kernel = nil }},
			{"want log p(y|x) of each of the 30 samples", func(w *Twisted) { *w.twist = func(x, _ *Node) *Node { return x } }},
		} {
			w := NewTwisted(flat, 10)
			c.change(w)
			r, err := lab.Run(t.Context(), w, sampler.Settings{Steps: 3})
			refused(t, name, err, c.says)
			if r != nil {
				t.Errorf("%s: %s: got a result too", name, c.says)
			}
		}
		w := NewTwisted(flat, 10)
		result := run(t, lab, w, sampler.Settings{Steps: 3})
		for what, foreign := range map[string]*sampler.Result{
			"nothing": nil, "a predictor's": run(t, lab, predict, sampler.Settings{Steps: 3}), "half a result": {X: result.X, Aux: result.Aux[:3]},
		} {
			_, err := w.Population(foreign)
			refused(t, what, err, "the result is not one of twisted")
		}
		_, err := NewTwisted(flat, 15).Population(result)
		refused(t, "groups of another size", err, "the result is not one of twisted")
	}
}

// particlesOf makes particles by hand.
func particlesOf(x, weights *mat.Dense) *Particles { return &Particles{X: x, Weights: weights} }

// TestDraw: each particle of a group is drawn as often as its weight says, and none without weight.
func TestDraw(t *testing.T) {
	const n = 40000
	weights := mat.NewDense(2, 4, []float64{0, 0.2, 0, 0.8, 0.5, 0, 0.5, 0})
	p := particlesOf(mat.NewDense(8, 1, []float64{0, 1, 2, 3, 4, 5, 6, 7}), weights)
	x := p.Draw(source(1), n)
	counts := make([]float64, 8)
	for i := range 2 * n {
		v := int(x.At(i, 0))
		if v/4 != i/n {
			t.Fatalf("draw %d is particle %d, of another group", i, v)
		}
		counts[v]++
	}
	for v, c := range counts {
		w := weights.At(v/4, v%4)
		closeTo(t, fmt.Sprintf("frequency of particle %d", v), c/n, w, 5*math.Sqrt(w*(1-w)/n))
	}
	// A generator that returns 0 must not find the first particle, whose weight is 0.
	if first := p.Draw(rand0(), 1); first.At(0, 0) != 1 || first.At(1, 0) != 4 {
		t.Errorf("drew %v at u = 0, want particles 1 and 4", mat.Formatted(first))
	}
}

// TestShare sums weights group by group.
func TestShare(t *testing.T) {
	p := particlesOf(mat.NewDense(4, 2, []float64{0, 1, 2, 3, 4, 5, 6, 7}), mat.NewDense(2, 2, []float64{0.25, 0.75, 0.5, 0.5}))
	got := p.Share(func(x []float64) bool { return x[1] > 1 && x[0] != 6 })
	for g, want := range []float64{0.75, 0.5} {
		closeTo(t, "share", got[g], want, 1e-12)
	}
}

// TestTwistedRuns: the device loop does what the host loop does, a seed gives the same bits twice, and neither
// thresholds nor observations need a build. Without resampling no group is resampled, at threshold 1 nearly every step is.
func TestTwistedRuns(t *testing.T) {
	law := dist.FourGaussians()
	base := score.Exact(law, ve).Score()
	const k, groups, steps = 32, 3, 25
	for name, b := range backendtest.All(t) {
		o := half()
		w := NewTwisted(o.PiGDM(base, ve, 0.7), k)
		lab := must(sampler.New(b, problem(law, ve, groups*k)))
		set := sampler.Settings{Steps: steps, Seed: 4}
		first := run(t, lab, w, set)
		if first.NFE != steps {
			t.Errorf("%s: %d evaluations in %d steps", name, first.NFE, steps)
		}
		for _, threshold := range []float64{0, 1, 0.5} {
			w.Threshold = threshold
			p := populations(t, lab, w, set)
			checkBooks(t, name, p)
			for g, n := range p.Resamples {
				if threshold == 0 && n != 0 || threshold == 1 && n < steps-2 {
					t.Errorf("%s: group %d was resampled %d times in %d steps at threshold %g", name, g, n, steps, threshold)
				}
			}
		}
		if err := o.SetY(row(-0.5)); err != nil {
			t.Fatal(err)
		}
		if other := run(t, lab, w, set); mat.EqualApprox(other.Samples(), first.Samples(), 0.1) {
			t.Errorf("%s: the observation had no effect", name)
		}
		if err := o.SetY(row(0.5)); err != nil {
			t.Fatal(err)
		}
		if again := run(t, lab, w, set); !equalTensors(again.X, first.X) || !equalTensors(again.Aux[auxLogWeight], first.Aux[auxLogWeight]) {
			t.Errorf("%s: the same seed gave other particles", name)
		}
		if lab.Builds() != 1 {
			t.Errorf("%s: %d builds, want 1", name, lab.Builds())
		}
		set.HostLoop = true
		onHost := must(w.Population(run(t, lab, w, set)))
		device := must(w.Population(first))
		wantClose(t, name+": particles by host and device", device.X, onHost.X, 1e-3)
		wantClose(t, name+": weights by host and device", device.Weights, onHost.Weights, 1e-3)
	}
}

func equalTensors(a, b *tensors.Tensor) bool { return slices.Equal(flat(a), flat(b)) }

// TestTwistedKernels: the other Gaussian kernels give the evidence of a Gaussian law too, on VE and VP.
func TestTwistedKernels(t *testing.T) {
	const groups, k = 16, 256
	law := mixture([]float64{0.5, -0.2}, mat.NewSymDense(2, []float64{0.4, 0, 0, 0.4}))
	y := []float64{1.2}
	o := must(Observe(row(1, 0), 0.5, row(y...)))
	_, logEvidence, err := o.Exact(law, y)
	if err != nil {
		t.Fatal(err)
	}
	b := xla(t)
	for _, c := range []struct {
		s      sde.SDE
		kernel sampler.Gaussian
	}{{ve, sampler.Ancestral{}}, {sde.VP{BetaMin: 0.1, BetaMax: 20}, sampler.EulerMaruyama{}}} {
		p := problem(law, c.s, groups*k)
		w := NewTwisted(o.PiGDM(p.Score, c.s, 1), k)
		w.Kernel = c.kernel
		var ratios []float64
		for _, l := range populations(t, must(sampler.New(b, p)), w, sampler.Settings{Steps: 300, Seed: 1}).LogEvidence {
			ratios = append(ratios, math.Exp(l-logEvidence))
		}
		mean, se := average(ratios)
		closeTo(t, fmt.Sprintf("%s, %s: evidence over the exact one", c.s, w), mean, 1, 5*se+0.02)
	}
}
