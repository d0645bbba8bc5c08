package objective

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// estimate is a mean with its standard error.
type estimate struct{ mean, stderr float64 }

func (e estimate) off(want float64) float64 { return math.Abs(e.mean-want) / e.stderr }

// average runs a loop whose body draws k numbers per turn, and returns their means over the turns. It works as training
// does: on XLA everything happens in one While.
func average(t *testing.T, b compute.Backend, dtype dtypes.DType, turns, k int, body func(rng noise.Source) []*Node) []estimate {
	t.Helper()
	zero := func() *tensors.Tensor { return tensors.FromShape(shapes.Make(dtypes.Float64, k)) }
	l := loop.New(b, nil, 2, func(_ *model.Scope, step *Node, state, inputs []*Node) []*Node {
		flat := make([]*Node, k)
		for i, v := range body(noise.At(inputs[0], step)) {
			flat[i] = Reshape(ConvertDType(v, dtypes.Float64), 1)
		}
		y := Concatenate(flat, 0)
		return []*Node{Add(state[0], y), Add(state[1], Mul(y, y))}
	})
	out, err := l.Run(0, turns, []*tensors.Tensor{zero(), zero()}, []*tensors.Tensor{noise.Key(5, 0)})
	if err != nil {
		t.Fatal(err)
	}
	sum, square := wide(out[0]), wide(out[1])
	result := make([]estimate, k)
	n := float64(turns)
	for i := range result {
		mean := sum[i] / n
		result[i] = estimate{mean, math.Sqrt((square[i]/n - mean*mean) / (n - 1))}
	}
	return result
}

const (
	tau      = 0.6 // standard deviation of the Gaussian data
	dim      = 2
	examples = 256
)

func gaussian(t *testing.T) dist.Gaussian {
	t.Helper()
	g, err := dist.NewIsotropicGaussian(make([]float64, dim), tau)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

var (
	vp = sde.VP{BetaMin: 0.1, BetaMax: 20}
	ve = sde.VE{SigmaMin: 0.01, SigmaMax: 4}
)

// minimum is the loss of the exact score of N(0, tau^2 I): the mean over t of (lambda/Sigma^2) d alpha^2 tau^2/v, because
// Sigma s + z = (alpha^2 tau^2 z - Sigma alpha x_0)/v with v = alpha^2 tau^2 + Sigma^2.
func minimum(t *testing.T, o DSM, density func(v sde.Values, k int) float64) float64 {
	t.Helper()
	v := fine(t, o.SDE)
	lambda, err := CallOnce(backend.Go(), func(t *Node) *Node { return o.Weighting.Lambda(o.SDE, t) }, v.T)
	if err != nil {
		t.Fatal(err)
	}
	weights := wide(lambda)
	var sum, mass float64
	at := func(k int) (y, p float64) {
		signal, noise := math.Pow(v.Alpha[k]*tau, 2), math.Pow(v.Sigma[k], 2)
		p = density(v, k)
		return p * weights[k] / noise * dim * signal / (signal + noise), p
	}
	for k := 1; k < len(v.T); k++ {
		y0, p0 := at(k - 1)
		y1, p1 := at(k)
		step := v.T[k] - v.T[k-1]
		sum, mass = sum+step*(y0+y1)/2, mass+step*(p0+p1)/2
	}
	return sum / mass
}

func flat(sde.Values, int) float64 { return 1 }

// logNormalDensity is that of t where ln(Sigma/Alpha) is normal, d(ln Sigma/Alpha)/dt = g^2/(2 Sigma^2) times the normal.
func logNormalDensity(v sde.Values, k int) float64 {
	z := (math.Log(v.Sigma[k]/v.Alpha[k]) - edmTimes.Mean) / edmTimes.Std
	return math.Pow(v.Diffusion[k]/v.Sigma[k], 2) * math.Exp(-z*z/2)
}

// TestMinimum: at the exact score the loss is a known constant and its gradient in any direction of function space is
// 0; at a wrong score the gradient is not.
func TestMinimum(t *testing.T) {
	law := gaussian(t)
	cases := []struct {
		o       DSM
		density func(sde.Values, int) float64
	}{
		{DSM{SDE: ve}, flat},
		{DSM{vp, SigmaSquared, Stratified{}}, flat},
		{DSM{vp, Likelihood, Importance{}}, flat},
		{DSM{vp, Likelihood, Uniform{}}, flat},
		{DSM{ve, Unit, Importance{}}, flat},
		{DSM{ve, MinSNR(5), Stratified{}}, flat},
		{DSM{sde.EDM{}, EDMWeighting(tau), edmTimes}, logNormalDensity},
		{DSM{vp, EDMWeighting(tau), edmTimes}, logNormalDensity},
	}
	for _, b := range backendtest.All(t) {
		for k, c := range cases {
			for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
				if backend.OnDevice(b) && (k != 2 || dtype != dtypes.Float32) {
					continue // each case compiles
				}
				if dtype == dtypes.Float64 && k != 2 {
					continue // one case shows that nothing narrows it; a formula is the same in both
				}
				what := fmt.Sprintf("%s %s %s, %s", b.Name(), dtype, c.o.SDE, c.o)
				got := average(t, b, dtype, 200, 3, func(rng noise.Source) []*Node {
					x0 := law.SampleGraph(rng, examples, dtype)
					theta := ConstAs(x0, []float64{0, 0})
					loss := c.o.Loss(perturbed(score.Exact(law, c.o.SDE).Score(), c.o.SDE, theta, 1), rng, x0, nil)
					return append(each(Gradient(loss, theta)[0]), loss)
				})
				if want := minimum(t, c.o, c.density); !(got[2].off(want) < 5) {
					t.Errorf("%s: loss %g +- %g, want %g", what, got[2].mean, got[2].stderr, want)
				}
				for i, g := range got[:2] {
					if !(g.off(0) < 5) {
						t.Errorf("%s: gradient %d is %g +- %g at the exact score", what, i, g.mean, g.stderr)
					}
				}
			}
		}
	}
	wrong := average(t, backend.Go(), dtypes.Float32, 300, 2, func(rng noise.Source) []*Node {
		x0 := law.SampleGraph(rng, examples, dtypes.Float32)
		theta := ConstAs(x0, []float64{0, 0})
		loss := DSM{SDE: vp}.Loss(perturbed(score.Exact(law, vp).Score(), vp, theta, 1.1), rng, x0, nil)
		return each(Gradient(loss, theta)[0])
	})
	if !(wrong[0].off(0) > 10) {
		t.Errorf("gradient %g +- %g at 1.1 times the score", wrong[0].mean, wrong[0].stderr)
	}
}

// perturbed is scale f + (theta_0 x + theta_1 tanh(2 x)) / (1 + Sigma^2).
func perturbed(f score.Func, s sde.SDE, theta *Node, scale float64) score.Func {
	return func(x, t *Node) *Node {
		part := each(theta)
		by := func(k int) *Node { return Reshape(part[k], 1, 1) }
		size := sde.Like(Reciprocal(Add(Square(s.Sigma(t)), ConstAs(t, 1.0))), x)
		bump := Add(Mul(by(0), x), Mul(by(1), Tanh(Mul(x, ConstAs(x, 2.0)))))
		return Add(Mul(f(x, t), ConstAs(x, scale)), Mul(size, bump))
	}
}

// each splits a vector of two.
func each(v *Node) []*Node {
	return []*Node{Slice(v, AxisRange(0, 1)), Slice(v, AxisRange(1, 2))}
}

// TestExplicitScoreMatching: the gap between denoising and explicit score matching does not depend on the score under
// training, shown on two linear ones for data that are not Gaussian. With a wrong exact score it does.
func TestExplicitScoreMatching(t *testing.T) {
	law := dist.FourGaussians()
	for _, s := range []sde.SDE{ve, vp, sde.SubVP{BetaMin: 0.1, BetaMax: 20}} {
		linear := func(a, c float64) score.Func {
			return func(x, t *Node) *Node {
				total := Add(Square(s.Sigma(t)), ConstAs(t, c))
				return sde.Times(Neg(Div(ConstAs(t, a), total)), x)
			}
		}
		one, two := linear(1, 0.5), linear(0.3, 0.1)
		got := average(t, backend.Go(), dtypes.Float64, 400, 3, func(rng noise.Source) []*Node {
			x0 := law.SampleGraph(rng, examples, dtypes.Float64)
			at, _ := Stratified{}.Draw(s, rng, x0)
			z := rng.Normal(x0.Shape())
			sigma := sde.Like(s.Sigma(at), x0)
			x := Add(sde.Times(s.Alpha(at), x0), Mul(sigma, z))
			exact := score.Exact(law, s).Score()(x, at)
			explicit := func(f score.Func, scale float64) *Node {
				return ReduceAllMean(ReduceSum(Square(Mul(sigma, Sub(f(x, at), MulScalar(exact, scale)))), -1))
			}
			denoising := func(f score.Func) *Node { return ReduceAllMean(DSM{SDE: s}.Errors(f, x0, z, at, nil)) }
			gap := Sub(denoising(one), denoising(two))
			return []*Node{
				gap,
				Sub(gap, Sub(explicit(one, 1), explicit(two, 1))),
				Sub(gap, Sub(explicit(one, 0.8), explicit(two, 0.8))),
			}
		})
		if !(got[0].off(0) > 20) {
			t.Errorf("%s: the two scores are not different enough: %g +- %g", s, got[0].mean, got[0].stderr)
		}
		if !(got[1].off(0) < 5) {
			t.Errorf("%s: the gap changed by %g +- %g", s, got[1].mean, got[1].stderr)
		}
		if !(got[2].off(0) > 10) {
			t.Errorf("%s: a wrong score passes too: %g +- %g", s, got[2].mean, got[2].stderr)
		}
	}
}

// TestArgmin: on the linear scores -w x/v, whose loss is a parabola in w, every weighting and every law of times has its
// minimum at w = 1, while the size of the loss differs.
func TestArgmin(t *testing.T) {
	law := gaussian(t)
	sizes := map[string]float64{}
	for _, w := range weightings[1:] {
		for _, at := range []TimeSampler{Uniform{}, Importance{}, edmTimes} {
			o := DSM{vp, w, at}
			got := average(t, backend.Go(), dtypes.Float64, 40, 2, func(rng noise.Source) []*Node {
				x0 := law.SampleGraph(rng, 4*examples, dtypes.Float64)
				loss := func(w float64) *Node {
					return o.Loss(func(x, t *Node) *Node { // the same draws for each w
						total := Add(MulScalar(Square(vp.Alpha(t)), tau*tau), Square(vp.Sigma(t)))
						return MulScalar(Div(x, sde.Like(total, x)), -w)
					}, rng.Again(), x0, nil)
				}
				left, middle, right := loss(0), loss(1), loss(2)
				curvature := Sub(Add(left, right), MulScalar(middle, 2))
				return []*Node{AddScalar(Div(MulScalar(Sub(left, right), 0.5), curvature), 1), middle}
			})
			// The minimum of a sample is biased by 1/n at most, n = 1024 examples.
			if !(math.Abs(got[0].mean-1) < 5*got[0].stderr+3e-3) || got[0].stderr > 0.05 {
				t.Errorf("%s: minimum at %g +- %g, want 1", o, got[0].mean, got[0].stderr)
			}
			if at == (Uniform{}) {
				for other, size := range sizes {
					if math.Abs(size/got[1].mean-1) < 0.01 {
						t.Errorf("%s and %s have the same loss %g", w, other, size)
					}
				}
				sizes[w.String()] = got[1].mean
			}
		}
	}
}

// TestImportanceVariance: importance sampling does not move the gradient of the likelihood-weighted loss, and divides its
// variance.
func TestImportanceVariance(t *testing.T) {
	law := gaussian(t)
	const turns = 500
	gradient := func(at TimeSampler) estimate {
		o := DSM{vp, Likelihood, at}
		return average(t, backend.Go(), dtypes.Float32, turns, 2, func(rng noise.Source) []*Node {
			x0 := law.SampleGraph(rng, 64, dtypes.Float32)
			theta := ConstAs(x0, []float64{0.3, 0})
			loss := o.Loss(func(x, t *Node) *Node { // a network that predicts noise: its output is of order 1 at every t
				noise := Neg(sde.Times(vp.Sigma(t), score.Exact(law, vp).Score()(x, t)))
				noise = Add(noise, Mul(Reshape(each(theta)[0], 1, 1), Tanh(x)))
				return Neg(Div(noise, sde.Like(vp.Sigma(t), x)))
			}, rng, x0, nil)
			return each(Gradient(loss, theta)[0])
		})[0]
	}
	plain, weighted := gradient(Uniform{}), gradient(Importance{})
	if gap := math.Abs(plain.mean - weighted.mean); !(gap < 5*math.Hypot(plain.stderr, weighted.stderr)) {
		t.Errorf("gradient %g +- %g with uniform times, %g +- %g with importance", plain.mean, plain.stderr, weighted.mean, weighted.stderr)
	}
	ratio := math.Pow(plain.stderr/weighted.stderr, 2)
	t.Logf("importance sampling divides the variance by %.1f", ratio)
	if !(ratio > 1.5) { // the ratio of two sample variances is known to 9% here
		t.Errorf("variance falls by %g only", ratio)
	}
}
