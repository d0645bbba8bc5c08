package score

import (
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/sde"
)

func gaussian(t *testing.T, mean []float64, std float64) dist.Gaussian {
	t.Helper()
	g, err := dist.NewIsotropicGaussian(mean, std)
	if err != nil {
		t.Fatal(err)
	}
	return g
}

func laws(t *testing.T) []dist.Law {
	full, err := dist.NewGaussian([]float64{1, -1}, mat.NewSymDense(2, []float64{1, 0.6, 0.6, 0.5}))
	if err != nil {
		t.Fatal(err)
	}
	return []dist.Law{dist.FourGaussians(), full}
}

// TestExactIsTheGradient compares Exact to the automatic derivative of LogProb, and Denoiser to the posterior mean, at
// points that the noised law gives weight to.
func TestExactIsTheGradient(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 0))
	for _, law := range laws(t) {
		for _, s := range sde.All() {
			for _, at := range times(s) {
				alpha, sigma := sde.At(s, at)
				x := law.Noised(alpha, sigma).Sample(rng, 8)
				out, err := CallOnceN(backend.Go(), func(x, at *Node) []*Node {
					alpha, sigma := s.Alpha(at), s.Sigma(at)
					auto := Gradient(ReduceAllSum(law.LogProb(x, alpha, sigma)), x)[0]
					f := Exact(law, s).Score()
					return []*Node{f(x, at), auto, Denoiser(f, s)(x, at), law.Denoise(x, alpha, sigma)}
				}, rows(x), []float64{at})
				if err != nil {
					t.Fatal(err)
				}
				for k := 0; k < 4; k += 2 {
					got, want := tensors.MustCopyFlatData[float64](out[k]), tensors.MustCopyFlatData[float64](out[k+1])
					for i := range want {
						if !(math.Abs(got[i]-want[i]) <= 1e-5*(1e-3/sigma+math.Abs(want[i])+1e-3)) {
							t.Errorf("%s, %s, t = %g: output %d is %g, want %g", law, s, at, k, got[i], want[i])
						}
					}
				}
			}
		}
	}
}

func rows(m *mat.Dense) [][]float64 {
	n, _ := m.Dims()
	out := make([][]float64, n)
	for i := range out {
		out[i] = m.RawRowView(i)
	}
	return out
}

// TestFisher: the error of the exact score is 0. That of a score of 0 is d Sigma^2/v for data N(0, tau^2), and that of
// the score of other data is a closed form too.
func TestFisher(t *testing.T) {
	const tau, n = 0.8, 20000
	law := gaussian(t, []float64{0, 0, 0}, tau)
	for _, b := range backendtest.All(t) {
		for _, s := range []sde.SDE{sde.VE{SigmaMin: 0.01, SigmaMax: 4}, sde.SubVP{BetaMin: 0.1, BetaMax: 20}} {
			ts := times(s)
			table, err := sde.Table(s, ts)
			if err != nil {
				t.Fatal(err)
			}
			fisher := func(f Func) []FisherPoint {
				p, err := Exact(law, s).Fisher(b, f, ts, n, 3)
				if err != nil {
					t.Fatal(err)
				}
				return p
			}
			if worst := MaxError(fisher(Exact(law, s).Score())); worst != 0 {
				t.Errorf("%s %s: Fisher error of the exact score is %g", b.Name(), s, worst)
			}
			zero := fisher(func(x, _ *Node) *Node { return ZerosLike(x) })
			other := fisher(Exact(gaussian(t, []float64{0.5, 0, 0}, tau), s).Score())
			for k := range ts {
				a, v := table.Alpha[k], table.Sigma[k]*table.Sigma[k]
				total := a*a*tau*tau + v
				if p, want := zero[k], 3*v/total; !(math.Abs(p.Error-want) <= 5*p.Stderr+1e-12) {
					t.Errorf("%s %s, t = %g: score 0 has error %g +- %g, want %g", b.Name(), s, ts[k], p.Error, p.Stderr, want)
				}
				// Of 3 n normal squares: the standard error itself is known.
				if p, want := zero[k], v/total*math.Sqrt(6.0/n); !(math.Abs(p.Stderr-want) < 0.1*want) {
					t.Errorf("%s %s, t = %g: standard error %g, want %g", b.Name(), s, ts[k], p.Stderr, want)
				}
				shift := 0.5 * a / total // of the score of shifted data, the same everywhere
				if p, want := other[k], v*shift*shift; !(math.Abs(p.Error-want) <= 1e-4*want+1e-9) {
					t.Errorf("%s %s, t = %g: shifted score has error %g, want %g", b.Name(), s, ts[k], p.Error, want)
				}
			}
		}
	}
}

func TestFisherRefuses(t *testing.T) {
	law, s := dist.FourGaussians(), sde.OU1()
	f := Exact(law, s).Score()
	call := func(f Func, l dist.Law, s sde.SDE, ts []float64, n int) error {
		_, err := Exact(l, s).Fisher(backend.Go(), f, ts, n, 1)
		return err
	}
	for says, err := range map[string]error{
		"nil":              call(nil, law, s, []float64{0.5}, 10),
		"Truth.Law is nil": call(f, nil, s, []float64{0.5}, 10),
		"want a process":   call(f, law, nil, []float64{0.5}, 10),
		"n = 1":            call(f, law, s, []float64{0.5}, 1),
		"no times":         call(f, law, s, nil, 10),
		"bang":             call(func(x, t *Node) *Node { panic("bang") }, law, s, []float64{0.5}, 10),
		"shape":            call(func(x, t *Node) *Node { x.AssertDims(3, 3); return x }, law, s, []float64{0.5}, 10),
	} {
		if err == nil || !(strings.Contains(err.Error(), says) || says == "shape") {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}

func TestMaxError(t *testing.T) {
	p := func(errors ...float64) (out []FisherPoint) {
		for _, e := range errors {
			out = append(out, FisherPoint{Error: e})
		}
		return out
	}
	if got := MaxError(p(1, 3, 2)); got != 3 {
		t.Errorf("got %g, want 3", got)
	}
	for _, bad := range [][]FisherPoint{nil, p(1, math.NaN(), 2), p(math.NaN(), 1), p(2, math.NaN())} {
		if got := MaxError(bad); !math.IsNaN(got) {
			t.Errorf("%v: got %g, want NaN, which meets no bound", bad, got)
		}
	}
}

// line is a network with one weight, F = w x.
type line struct{}

func (line) Apply(scope *model.Scope, in Inputs) *Node {
	x := in.X
	return Mul(x, scope.VariableWithShape("w", shapes.Make(x.DType(), 1, 1)).NodeValue(x))
}

func (line) String() string { return "line" }

// TestModelWithoutAverage: without averaged weights Func is an error, on the first call and on every later one, and
// leaves nothing behind; with them it reads them and not the live ones.
func TestModelWithoutAverage(t *testing.T) {
	m := &Model{SDE: sde.OU1(), Parametrisation: Epsilon, Net: line{}, Std: 1, Store: model.NewStore()}
	step := func(_ *model.Scope, _ *Node, state, _ []*Node) []*Node {
		return []*Node{m.Func()(state[0], Reshape(state[0], 1))}
	}
	for k := range 2 {
		state := []*tensors.Tensor{tensors.FromValue([][]float32{{1}})}
		_, err := loop.New(backend.Go(), m.Store, 1, step).Run(0, 1, state, nil)
		if err == nil || !strings.Contains(err.Error(), "averaged weights") {
			t.Errorf("loop %d: %v", k, err)
		}
		_, err = Exact(gaussian(t, []float64{0}, 1), m.SDE).Fisher(backend.Go(), m.Func(), []float64{1}, 10, 1)
		if err == nil || !strings.Contains(err.Error(), "averaged weights") {
			t.Errorf("Fisher %d: %v", k, err)
		}
	}
	for v := range m.Store.IterVariables() {
		if strings.HasPrefix(v.Path(), m.EMAScope()) {
			t.Errorf("%s was left behind", v.Path())
		}
	}
	for path, w := range map[string]float32{m.Scope(): 2, m.EMAScope(): 3} {
		if _, err := m.Store.CreateVariable(path+"/w", tensors.FromValue([][]float32{{w}})); err != nil {
			t.Fatal(err)
		}
	}
	exec, err := model.NewExec(backend.Go(), m.Store, func(_ *model.Scope, x, at *Node) []*Node {
		return []*Node{Div(m.Func()(x, at), m.Live()(x, at))}
	})
	if err != nil {
		t.Fatal(err)
	}
	out, err := exec.Call([][]float32{{1}}, []float32{1})
	if err != nil {
		t.Fatal(err)
	}
	if got := tensors.MustCopyFlatData[float32](out[0])[0]; math.Abs(float64(got)-1.5) > 1e-6 {
		t.Errorf("ratio of the scores %g, want that of the weights, 1.5", got)
	}
	if name := m.String(); name != fmt.Sprintf("epsilon line for %s", m.SDE) {
		t.Errorf("named %q", name)
	}
}

// TestFisherPrecision: float32 tells a small Fisher error from none at the smallest Sigma.
func TestFisherPrecision(t *testing.T) {
	law, s := dist.FourGaussians(), sde.VE{SigmaMin: 0.01, SigmaMax: 4}
	exact := Exact(law, s).Score()
	p, err := Exact(law, s).Fisher(backend.Go(), func(x, t *Node) *Node {
		wide := ConvertDType(exact(ConvertDType(x, dtypes.Float64), ConvertDType(t, dtypes.Float64)), x.DType())
		return wide
	}, []float64{1e-5, 1e-3, 0.5, 1}, 2000, 1)
	if err != nil {
		t.Fatal(err)
	}
	if worst := MaxError(p); !(worst > 0 && worst < 1e-9) {
		t.Errorf("float32 and float64 differ by a Fisher error of %g", worst)
	}
}
