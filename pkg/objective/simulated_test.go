package objective

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// affine is an affine process as if its kernel were unknown.
func affine(s sde.SDE, steps int) Simulated {
	return Simulated{Forward: sde.Affine(s), Reference: s, Steps: steps, Trace: Exact{}}
}

var slowVP = sde.VP{BetaMin: 0.1, BetaMax: 8, Times: sde.Span{Eps: 0.05, T: 1}}

// TestSimulatedMoments: for an affine process the simulated x_t has the mean and variance of the kernel at each
// example's own time, within five standard errors.
func TestSimulatedMoments(t *testing.T) {
	const n = 30000
	times := []float64{0.05, 0.3, 1}
	want, err := sde.Table(slowVP, times)
	if err != nil {
		t.Fatal(err)
	}
	from, err := sde.Table(slowVP, []float64{1e-12}) // Simulate starts at 0, as the kernel does
	if err != nil || from.Sigma[0] > 1e-5 {
		t.Fatal(err, from.Sigma)
	}
	x0, at := mat.NewDense(3*n, 2, nil), make([]float64, 3*n)
	for i := range at {
		x0.SetRow(i, []float64{1.5, -0.5})
		at[i] = times[i%3]
	}
	o := affine(slowVP, 30)
	for name, b := range backendtest.All(t) {
		for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
			if name == "xla" && dtype == dtypes.Float64 {
				continue // float32 is what rounds
			}
			out := MustNewExec(b, func(x0, t *Node) *Node {
				return o.Simulate(noise.Once(x0.Graph(), 2), x0, t)
			}).MustCall(host.Tensor(x0, dtype), host.Column(at, dtype))
			x := host.Matrix(out[0])
			for k := range times {
				for c, start := range []float64{1.5, -0.5} {
					var values []float64
					for i := k; i < 3*n; i += 3 {
						values = append(values, x.At(i, c))
					}
					mean, variance := stat.MeanVariance(values, nil)
					v := want.Sigma[k] * want.Sigma[k]
					what := fmt.Sprintf("%s %s, t = %g, coordinate %d", name, dtype, times[k], c)
					if se := math.Sqrt(v / n); math.Abs(mean-want.Alpha[k]*start) > 5*se {
						t.Errorf("%s: mean %g, want %g +- %.2g", what, mean, want.Alpha[k]*start, se)
					}
					if se := v * math.Sqrt(2.0/n); math.Abs(variance-v) > 5*se {
						t.Errorf("%s: variance %g, want %g +- %.2g", what, variance, v, se)
					}
				}
			}
		}
	}
}

// TestSimulatedIsImplicit: for an affine process the loss of a function and its gap to that of the score are those of
// implicit score matching with the kernel, within five standard errors; in one step they are not. XLA, where many
// steps take seconds to compile, has the loss of the Go engine in few.
func TestSimulatedIsImplicit(t *testing.T) {
	law := dist.FourGaussians()
	exact := score.Exact(law, slowVP).Score()
	off := func(x, t *Node) *Node { return Add(exact(x, t), Mul(Tanh(x), ConstAs(x, 0.5))) }
	losses := func(b compute.Backend, o ScoreMatching) []estimate {
		if backend.OnDevice(b) {
			return average(t, b, dtypes.Float32, 60, 1, func(rng noise.Source) []*Node {
				x0 := law.SampleGraph(rng, 4*examples, dtypes.Float32)
				return []*Node{o.Loss(off, rng, x0, nil)}
			})
		}
		return average(t, b, dtypes.Float32, 60, 2, func(rng noise.Source) []*Node {
			x0 := law.SampleGraph(rng, 4*examples, dtypes.Float32)
			worse, best := o.Loss(off, rng.Again(), x0, nil), o.Loss(exact, rng.Again(), x0, nil)
			return []*Node{worse, Sub(worse, best)}
		})
	}
	want := losses(backend.Go(), Implicit{SDE: slowVP, Trace: Exact{}})
	if !(want[1].mean > 10*want[1].stderr) {
		t.Errorf("the gap %g +- %g drowns in noise", want[1].mean, want[1].stderr)
	}
	check := func(name string, got, want []estimate) {
		for k, what := range []string{"loss", "gap"}[:len(got)] {
			if d, se := math.Abs(got[k].mean-want[k].mean), math.Hypot(got[k].stderr, want[k].stderr); !(d < 5*se) {
				t.Errorf("%s: %s %g, want %g, s.e. of the difference %.2g", name, what, got[k].mean, want[k].mean, se)
			}
		}
	}
	check("with the kernel", losses(backend.Go(), affine(slowVP, 30)), want)
	if b := backend.MustOpen(); backend.OnDevice(b) {
		check("XLA", losses(b, affine(slowVP, 5)), losses(backend.Go(), affine(slowVP, 5)))
	}
	one := losses(backend.Go(), affine(slowVP, 1))
	if d, se := math.Abs(one[0].mean-want[0].mean), math.Hypot(one[0].stderr, want[0].stderr); !(d > 6*se) {
		t.Errorf("one step is as good as 30: loss %g, with the kernel %g", one[0].mean, want[0].mean)
	}
}

// TestSimulatedMinimum: on Gaussian data the gradient of the loss in two directions of function space is 0 at the exact
// score, which the simulation does not know, and not at 1.2 times the score.
func TestSimulatedMinimum(t *testing.T) {
	law := gaussian(t)
	for _, scale := range []float64{1, 1.2} {
		got := average(t, backend.Go(), dtypes.Float32, 100, 2, func(rng noise.Source) []*Node {
			x0 := law.SampleGraph(rng, 4*examples, dtypes.Float32)
			theta := ConstAs(x0, []float64{0, 0})
			loss := affine(slowVP, 20).Loss(perturbed(score.Exact(law, slowVP).Score(), slowVP, theta, scale), rng, x0, nil)
			return each(Gradient(loss, theta)[0])
		})
		for i, g := range got {
			if scale == 1 && !(g.off(0) < 5) || scale != 1 && !(g.off(0) > 10) {
				t.Errorf("gradient %d is %g +- %g at %g times the score", i, g.mean, g.stderr, scale)
			}
		}
	}
}

func TestSimulatedRefuses(t *testing.T) {
	wells, times := sde.DoubleWell{Depth: 2, Noise: 2}, sde.Span{Eps: 0.02, T: 3}
	good := Simulated{Forward: must(wells.Process(times)), Reference: wells.Reference(times), Steps: 10}
	if err := good.Validate(); err != nil {
		t.Fatal(err)
	}
	change := func(f func(o *Simulated)) Simulated {
		o := good
		f(&o)
		return o
	}
	for says, o := range map[string]Simulated{
		"Simulated.Forward":        change(func(o *Simulated) { o.Forward = sde.Nonlinear{} }),
		"Steps = 0, want >= 1":     change(func(o *Simulated) { o.Steps = 0 }),
		"Reference: sde: want a p": change(func(o *Simulated) { o.Reference = nil }),
		"has times [0.001, 1]":     change(func(o *Simulated) { o.Reference = vp }),
		"Slices = 0":               change(func(o *Simulated) { o.Trace = Sliced{} }),
		"lambda":                   change(func(o *Simulated) { o.Weighting = MinSNR(-1) }),
	} {
		if err := o.Validate(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
	want := "double well(depth 2, noise 2) simulated in 10 steps, implicit score matching (1 slices, variance reduced), lambda = sigma^2, t uniform"
	if got := fmt.Sprint(good); got != want {
		t.Errorf("named %q", got)
	}
	if good.Process() != sde.SDE(wells.Reference(times)) {
		t.Errorf("process %v", good.Process())
	}
}
