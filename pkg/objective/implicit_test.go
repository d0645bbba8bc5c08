package objective

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"

	"math/rand/v2"

	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"
)

// bent is a field with a Jacobian that is neither constant nor symmetric: f = (x_0^2/2 + 3 x_1, x_0 x_1), trace 2 x_0.
func bent(x, _ *Node) *Node {
	a, b := SliceAxis(x, 1, AxisElem(0)), SliceAxis(x, 1, AxisElem(1))
	return Concatenate([]*Node{Add(MulScalar(Square(a), 0.5), MulScalar(b, 3)), Mul(a, b)}, 1)
}

// TestTraces: every estimate of |f|^2 + 2 tr(df/dx) has its mean, and the exact one no variance; variance reduction
// reduces.
func TestTraces(t *testing.T) {
	const n = 40000
	x0, x1 := 0.7, -1.3
	want := math.Pow(x0*x0/2+3*x1, 2) + math.Pow(x0*x1, 2) + 2*2*x0
	for name, b := range backendtest.All(t) {
		spread := map[string]float64{}
		x := mat.NewDense(n, 2, nil)
		for i := range n {
			x.SetRow(i, []float64{x0, x1})
		}
		traces := []Trace{Exact{}, Sliced{1, false}, Sliced{1, true}, Sliced{3, true}, FiniteDifference{1e-2}}
		out := MustNewExec(b, func(x *Node) []*Node { // all in one executable
			rng := noise.Once(x.Graph(), 5)
			values := make([]*Node, len(traces))
			for k, trace := range traces {
				values[k] = trace.Estimate(bent, rng.Again(), x, ConstAs(x, []float64{1}))
			}
			return values
		}).MustCall(host.Tensor(x, dtypes.Float64))
		for k, trace := range traces {
			mean, std := stat.MeanStdDev(host.Values(out[k]), nil)
			if math.Abs(mean-want) > 1e-9+5*std/math.Sqrt(n) {
				t.Errorf("%s %s: mean %g, want %g within %.2g", name, trace, mean, want, 5*std/math.Sqrt(n))
			}
			spread[trace.String()] = std
		}
		if s := spread; s["exact trace"] > 1e-9 || !(s["3 slices, variance reduced"] < s["1 slices, variance reduced"] && s["1 slices, variance reduced"] < s["1 slices"]) {
			t.Errorf("%s: standard deviations %v", name, s)
		}
	}
}

// TestImplicitIsDSM: up to a constant of the data, the implicit objective is denoising score matching: the difference of
// two functions is the same under both, within five standard errors. XLA compiles one of the implicit ones.
func TestImplicitIsDSM(t *testing.T) {
	law, s := dist.FourGaussians(), sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{Eps: 0.05, T: 1}}
	exact := score.Exact(law, s).Score()
	off := func(x, t *Node) *Node { return Add(exact(x, t), MulScalar(Tanh(x), 0.5)) }
	const n, repeats = 20000, 8
	gap := func(b compute.Backend, o ScoreMatching) (mean, stderr float64) {
		var gaps []float64
		exec := MustNewExec(b, func(key, x0 *Node) *Node {
			rng := noise.At(key, nil)
			a := o.Loss(off, rng.Again(), x0, nil)
			c := o.Loss(exact, rng.Again(), x0, nil)
			return Sub(a, c)
		})
		for k := range repeats {
			data := host.Tensor(law.Sample(rand.New(rand.NewPCG(3, uint64(k))), n), dtypes.Float32)
			gaps = append(gaps, float64(tensors.ToScalar[float32](exec.MustCall(noise.Key(int64(k), 0), data)[0])))
		}
		mean, std := stat.MeanStdDev(gaps, nil)
		return mean, std / math.Sqrt(repeats)
	}
	want, se := gap(backend.Go(), DSM{SDE: s})
	for name, b := range backendtest.All(t) {
		for _, trace := range []Trace{Exact{}, nil, FiniteDifference{1e-2}} {
			if backend.OnDevice(b) && trace != nil {
				continue
			}
			got, other := gap(b, Implicit{SDE: s, Trace: trace})
			if math.Abs(got-want) > 5*math.Hypot(se, other) || !(want > 10*se) {
				t.Errorf("%s %v: objective of the worse function higher by %g, want %g (s.e. %.2g)", name, trace, got, want, math.Hypot(se, other))
			}
		}
	}
}

func TestImplicitRefuses(t *testing.T) {
	s := sde.OU1()
	for text, o := range map[string]ScoreMatching{
		"Slices = 0":  Implicit{SDE: s, Trace: Sliced{}},
		"Step = -1":   Implicit{SDE: s, Trace: FiniteDifference{-1}},
		"Step = NaN":  Implicit{SDE: s, Trace: FiniteDifference{math.NaN()}},
		"want a proc": Implicit{},
		"lambda":      Implicit{SDE: s, Weighting: MinSNR(-1)},
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	if err := (Implicit{SDE: s}).Validate(); err != nil {
		t.Error(err)
	}
	if got := fmt.Sprint(Implicit{SDE: s}); got != "implicit score matching (1 slices, variance reduced), lambda = sigma^2, t uniform" {
		t.Errorf("named %q", got)
	}
}
