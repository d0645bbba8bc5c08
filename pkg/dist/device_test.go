package dist

import (
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/noise"
)

// deviceLaws is a table with every code path once: XLA takes up to a second to compile each graph.
func deviceLaws() []Law {
	gauss := must(NewGaussian([]float64{1, -2, 0.5}, mat.NewSymDense(3, []float64{1, 0.4, 0.1, 0.4, 0.8, -0.2, 0.1, -0.2, 0.5})))
	box := must(NewUniform([]float64{-1, 0.2}, []float64{0.5, 3}, 0.3))
	return []Law{gauss, generalMixture(), must(NewTorus(1, 0.4)), must(NewProduct(box, FourGaussians(), must(NewIsotropicGaussian([]float64{-0.4}, 0.7))))}
}

// sampler is what Gaussian, Mixture and Uniform share.
type sampler interface {
	Law
	SampleGraph(rng noise.Source, n int, dtype dtypes.DType) *Node
}

// TestSampleGraphMoments has on XLA, where each law compiles, those that TestSampleGraphInsideLoop says too little of.
func TestSampleGraphMoments(t *testing.T) {
	const n = 20000
	for _, b := range backendtest.All(t) {
		table := laws()
		if backend.OnDevice(b) {
			table = deviceLaws()[:2]
		}
		for _, l := range table {
			s, ok := l.(sampler)
			if !ok {
				continue
			}
			for _, dtype := range dtypesOf(b) {
				out, err := CallOnce(b, func(g *Graph) *Node { return s.SampleGraph(noise.Once(g, 42), n, dtype) })
				if err != nil {
					t.Fatal(err)
				}
				x := mat.NewDense(n, s.Dim(), toFloat64(out.Value()))
				what := fmt.Sprintf("%s: %s %s", b.Name(), l, dtype)
				mean, cov := s.Mean(), s.Cov()
				for i := range s.Dim() {
					checkAverage(t, what+": mean", n, mean[i], func(k int) float64 { return x.At(k, i) })
					for j := range i + 1 {
						checkAverage(t, what+": covariance", n, cov.At(i, j), func(k int) float64 {
							return (x.At(k, i) - mean[i]) * (x.At(k, j) - mean[j])
						})
					}
				}
				if m, ok := l.(Mixture); ok {
					checkLabels(t, what, m, x)
				}
			}
		}
	}
}

// dtypesOf is both float types on the Go backend and the one of training on XLA, which compiles each graph anew.
func dtypesOf(b compute.Backend) []dtypes.DType {
	if backend.OnDevice(b) {
		return []dtypes.DType{dtypes.Float32}
	}
	return []dtypes.DType{dtypes.Float32, dtypes.Float64}
}

// checkLabels compares the average responsibilities of the samples to the weights.
func checkLabels(t *testing.T, what string, m Mixture, x *mat.Dense) {
	t.Helper()
	n, _ := x.Dims()
	posterior := must(ResponsibilitiesAt(m, x, 1, 0.01))
	for k, w := range m.Weights() {
		checkAverage(t, what+": weight", n, w, func(i int) float64 { return posterior.At(i, k) })
	}
}

// TestBackendsAgree runs every function of every law in float64 on each backend.
func TestBackendsAgree(t *testing.T) {
	all := backendtest.All(t)
	if len(all) == 1 {
		t.Skip("only the Go backend is installed")
	}
	for _, l := range append(deviceLaws(), must(NewCheckerboard(4, 2))) {
		x := points(l, 0.8, 0.3, 16)
		in := make([][]float64, 16)
		for i := range in {
			in[i] = x.RawRowView(i)
		}
		out, err := CallOnceN(all["xla"], func(x, a, s *Node) []*Node {
			return []*Node{l.LogProb(x, a, s), l.Score(x, a, s), l.Denoise(x, a, s)}
		}, in, []float64{0.8}, []float64{0.3})
		if err != nil {
			t.Fatal(err)
		}
		wantClose(t, l.String()+": LogProb", toFloat64(out[0].Value()), must(LogProbAt(l, x, 0.8, 0.3)), 1e-11)
		wantClose(t, l.String()+": Score", toFloat64(out[1].Value()), flat(must(ScoreAt(l, x, 0.8, 0.3))), 1e-11)
		wantClose(t, l.String()+": Denoise", toFloat64(out[2].Value()), flat(must(DenoiseAt(l, x, 0.8, 0.3))), 1e-11)
	}
}

// TestInsideLoop uses every function in the body of a While loop on the device and compares with the same steps driven
// by the host on the Go engine.
func TestInsideLoop(t *testing.T) {
	all := backendtest.All(t)
	if len(all) == 1 {
		t.Skip("loops run on XLA only, which is not installed")
	}
	const steps = 3
	for _, l := range deviceLaws() {
		step := func(x, a, s *Node) *Node {
			x = Add(x, Mul(l.Score(x, a, s), Const(x.Graph(), float32(0.05))))
			x = Add(x, Mul(Sub(l.Denoise(x, a, s), x), Const(x.Graph(), float32(0.1))))
			return Add(x, Mul(Tanh(Reshape(l.LogProb(x, a, s), x.Shape().Dim(0), 1)), Const(x.Graph(), float32(0.01))))
		}
		in, _ := toFloat32(points(l, 0.8, 0.3, 16))
		args := []any{in, []float32{0.8}, []float32{0.3}}
		once := MustNewExec(all["go"], step)
		var want *tensors.Tensor
		for range steps {
			out, err := once.Call(args...)
			if err != nil {
				t.Fatal(err)
			}
			want = out[0]
			args[0] = want.Value()
		}
		args[0] = in
		got, err := CallOnce(all["xla"], func(x, a, s *Node) *Node { return loop(steps, step, x, a, s) }, args...)
		if err != nil {
			t.Errorf("%s: %v", l, err)
			continue
		}
		wantClose(t, l.String(), toFloat64(got.Value()), toFloat64(want.Value()), 1e-5)
	}
}

// loop repeats a step on the device.
func loop(steps int, step func(x, a, s *Node) *Node, x, a, s *Node) *Node {
	g := x.Graph()
	state := []*Node{Const(g, int32(0)), x, a, s}
	params := func(g *Graph) []*Node {
		out := make([]*Node, len(state))
		for i, n := range state {
			out[i] = Parameter(g, fmt.Sprintf("p%d", i), n.Shape())
		}
		return out
	}
	cond := NewClosure(g, func(g *Graph) []*Node {
		return []*Node{LessThan(params(g)[0], Const(g, int32(steps)))}
	})
	body := NewClosure(g, func(g *Graph) []*Node {
		p := params(g)
		return []*Node{Add(p[0], Const(g, int32(1))), step(p[1], p[2], p[3]), p[2], p[3]}
	})
	return While(cond, body, state...)[1]
}

// TestSampleGraphInsideLoop draws in the body of a loop: each step has numbers of its own.
func TestSampleGraphInsideLoop(t *testing.T) {
	all := backendtest.All(t)
	if len(all) == 1 {
		t.Skip("loops run on XLA only, which is not installed")
	}
	for _, s := range []sampler{FourGaussians(), generalMixture(), must(NewUniform([]float64{-1, 0.2}, []float64{0.5, 3}, 0.3))} {
		const n, steps = 4000, 4
		out, err := CallOnce(all["xla"], func(key *Node) *Node {
			g := key.Graph()
			zero := Const(g, make([]float32, n*s.Dim()))
			state := []*Node{Const(g, int32(0)), key, Reshape(zero, n, s.Dim())}
			params := func(g *Graph) (out []*Node) {
				for i, v := range state {
					out = append(out, Parameter(g, fmt.Sprintf("p%d", i), v.Shape()))
				}
				return out
			}
			cond := NewClosure(g, func(g *Graph) []*Node { return []*Node{LessThan(params(g)[0], Const(g, int32(steps)))} })
			body := NewClosure(g, func(g *Graph) []*Node {
				p := params(g)
				x := s.SampleGraph(noise.At(p[1], p[0]), n, dtypes.Float32)
				return []*Node{Add(p[0], Const(g, int32(1))), p[1], Add(p[2], x)}
			})
			return While(cond, body, state...)[2]
		}, noise.Key(3, 0))
		if err != nil {
			t.Errorf("%s: %v", s, err)
			continue
		}
		// A sum of independent draws has steps times the variance; equal draws would give steps^2 times.
		x := mat.NewDense(n, s.Dim(), toFloat64(out.Value()))
		mean, cov := s.Mean(), s.Cov()
		for i := range s.Dim() {
			checkAverage(t, s.String()+": mean of sums", n, steps*mean[i], func(k int) float64 { return x.At(k, i) })
			checkAverage(t, s.String()+": variance of sums", n, steps*cov.At(i, i), func(k int) float64 {
				return math.Pow(x.At(k, i)-steps*mean[i], 2)
			})
		}
	}
}

// BenchmarkFourGaussianScore times one evaluation of the exact score for 10 000 points in float32: in a call, and on
// the device in a loop of 100.
func BenchmarkFourGaussianScore(b *testing.B) {
	const rows, steps = 10000, 100
	l := FourGaussians()
	x := must(NewIsotropicGaussian([]float64{0, 0}, 1)).Sample(rand.New(rand.NewPCG(1, 1)), rows)
	flat32 := make([]float32, 0, 2*rows)
	for _, v := range flat(x) {
		flat32 = append(flat32, float32(v))
	}
	step := func(x, a, s *Node) *Node { return Add(x, Mul(l.Score(x, a, s), Const(x.Graph(), float32(0.001)))) }
	bench := func(name string, bk compute.Backend, per int, fn func(x, a, s *Node) *Node) {
		exec := MustNewExec(bk, fn)
		args := []any{tensors.FromFlatDataAndDimensions(flat32, rows, 2), []float32{1}, []float32{0.5}}
		exec.MustCall(args...)
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				exec.MustCall(args...)
			}
			b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*per), "us/score")
		})
	}
	bench("go", backend.Go(), 1, step)
	if bk := backend.MustOpen(); backend.OnDevice(bk) {
		bench("device", bk, 1, step)
		bench("loop", bk, steps, func(x, a, s *Node) *Node { return loop(steps, step, x, a, s) })
	}
}
