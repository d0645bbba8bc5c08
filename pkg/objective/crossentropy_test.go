package objective

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Two classes on a line, which differ in all they can: weight, mean and width.
var (
	classWeights = []float64{0.3, 0.7}
	classMeans   = []float64{-1, 0.5}
	classStds    = []float64{0.4, 0.8}
)

func twoClasses(t *testing.T) dist.Mixture {
	t.Helper()
	m, err := dist.NewIsotropicMixture(classWeights, mat.NewDense(2, 1, classMeans), classStds)
	if err != nil {
		t.Fatal(err)
	}
	return m
}

// drawClasses draws labelled points of twoClasses, x0 [B, 1] and y [B, 2].
func drawClasses(rng noise.Source, dtype dtypes.DType) (x0, y *Node) {
	u := rng.Uniform(shapes.Make(dtype, examples, 1))
	first := ConvertDType(LessThan(u, ConstAs(u, classWeights[0])), dtype)
	y = Concatenate([]*Node{first, Sub(ConstAs(u, 1.0), first)}, 1)
	pick := func(v []float64) *Node { return ReduceAndKeep(Mul(y, ConstAs(y, [][]float64{v})), ReduceSum, 1) }
	z := rng.Normal(shapes.Make(dtype, examples, 1))
	return Add(pick(classMeans), Mul(pick(classStds), z)), y
}

// conditionalEntropy is the mean over t of H(y|x_t) by the trapezoid rule in t and x.
func conditionalEntropy(t *testing.T, s sde.SDE) float64 {
	t.Helper()
	const n, cells = 300, 2000
	span := s.Span()
	ts := make([]float64, n+1)
	for k := range ts {
		ts[k] = span.Eps + (span.T-span.Eps)*float64(k)/n
	}
	table, err := sde.Table(s, ts)
	if err != nil {
		t.Fatal(err)
	}
	mean := 0.0
	for k := range ts {
		alpha, sigma := table.Alpha[k], table.Sigma[k]
		width := 8 * math.Hypot(2*alpha, sigma)
		entropy := 0.0
		for i := range cells + 1 {
			x := width * (2*float64(i)/cells - 1)
			var joint [2]float64
			for c := range joint {
				joint[c] = classWeights[c] * distuv.Normal{Mu: alpha * classMeans[c], Sigma: math.Hypot(alpha*classStds[c], sigma)}.Prob(x)
			}
			for _, p := range joint {
				if p > 0 {
					entropy -= p * math.Log(p/(joint[0]+joint[1])) * 2 * width / cells
				}
			}
		}
		if k == 0 || k == n {
			entropy /= 2
		}
		mean += entropy / n
	}
	return mean
}

// TestCrossEntropyMinimum: at the exact posterior the loss is the conditional entropy, found by quadrature, and its
// gradient in two directions of function space is 0; at another temperature the gradient is not, and the loss is
// larger on the same draws.
func TestCrossEntropyMinimum(t *testing.T) {
	law := twoClasses(t)
	tempered := func(s sde.SDE, theta *Node, temperature float64) score.Posterior {
		return func(x, t *Node) *Node {
			logP := MulScalar(law.LogPosterior(x, s.Alpha(t), s.Sigma(t)), 1/temperature)
			part := each(theta)
			bump := Add(Mul(Reshape(part[0], 1, 1), Tanh(x)), Mul(Reshape(part[1], 1, 1), Cos(x)))
			return LogSoftmax(Concatenate([]*Node{Add(Slice(logP, AxisRange(), AxisRange(0, 1)), bump), Slice(logP, AxisRange(), AxisRange(1, 2))}, 1))
		}
	}
	for _, b := range backendtest.All(t) {
		for k, o := range []CrossEntropy{{SDE: ve}, {vp, Stratified{}}, {sde.SubVP{BetaMin: 0.1, BetaMax: 20}, Uniform{}}} {
			for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
				if k != 1 && (backend.OnDevice(b) || dtype == dtypes.Float64) || backend.OnDevice(b) && dtype == dtypes.Float64 {
					continue // each case compiles on XLA, and one shows that nothing narrows float64
				}
				got := average(t, b, dtype, 300, 5, func(rng noise.Source) []*Node {
					x0, y := drawClasses(rng, dtype)
					theta := ConstAs(x0, []float64{0, 0})
					exact := o.Loss(tempered(o.SDE, theta, 1), rng.Again(), x0, y)
					wrong := o.Loss(tempered(o.SDE, theta, 1.5), rng, x0, y) // the same draws
					values := append(each(Gradient(exact, theta)[0]), exact, Sub(wrong, exact))
					return append(values, each(Gradient(wrong, theta)[0])[0])
				})
				what := fmt.Sprintf("%s %s %s, %s", b.Name(), dtype, o.SDE, o)
				want := conditionalEntropy(t, o.SDE)
				if !(got[2].off(want) < 5) || got[2].stderr > 0.01*want {
					t.Errorf("%s: loss %g +- %g, want the conditional entropy %g", what, got[2].mean, got[2].stderr, want)
				}
				for i, g := range got[:2] {
					if !(g.off(0) < 5) {
						t.Errorf("%s: gradient %d is %g +- %g at the exact posterior", what, i, g.mean, g.stderr)
					}
				}
				if !(got[3].mean > 10*got[3].stderr) {
					t.Errorf("%s: another temperature costs %g +- %g, want more than 0", what, got[3].mean, got[3].stderr)
				}
				if !(got[4].off(0) > 10) {
					t.Errorf("%s: gradient %g +- %g at another temperature", what, got[4].mean, got[4].stderr)
				}
			}
		}
	}
}

// TestCrossEntropyWeights: times of another law are divided by its density, so that the loss stays the mean over
// uniform t.
func TestCrossEntropyWeights(t *testing.T) {
	law := twoClasses(t)
	o := CrossEntropy{vp, Importance{}}
	got := average(t, backend.Go(), dtypes.Float64, 400, 1, func(rng noise.Source) []*Node {
		x0, y := drawClasses(rng, dtypes.Float64)
		loss := o.Loss(func(x, t *Node) *Node { return law.LogPosterior(x, vp.Alpha(t), vp.Sigma(t)) }, rng, x0, y)
		return []*Node{loss}
	})[0]
	if want := conditionalEntropy(t, vp); !(got.off(want) < 5) || got.stderr > 0.02*want {
		t.Errorf("loss %g +- %g, want the conditional entropy %g", got.mean, got.stderr, want)
	}
}

func TestCrossEntropyRefuses(t *testing.T) {
	for says, o := range map[string]CrossEntropy{
		"want a process": {},
		"SigmaMin -1":    {SDE: sde.VE{SigmaMin: -1, SigmaMax: 4}},
		"std -1":         {ve, LogNormalSigma{Std: -1}},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
	if err := (CrossEntropy{SDE: ve}).Validate(); err != nil {
		t.Error(err)
	}
	three := func(x, _ *Node) *Node { return Concatenate([]*Node{x, x, x}, 1) }
	_, err := CallOnce(backend.Go(), func(x, y *Node) *Node {
		return CrossEntropy{SDE: ve}.Errors(three, x, y, x, Reshape(x, 1))
	}, [][]float64{{0}}, [][]float64{{0, 1}})
	if err == nil || !strings.Contains(err.Error(), "want the same shape") {
		t.Errorf("three classes for two: %v", err)
	}
	if got, want := (CrossEntropy{ve, Stratified{}}).String(), "cross-entropy, t stratified"; got != want {
		t.Errorf("named %q, want %q", got, want)
	}
}
