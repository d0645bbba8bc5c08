package sde

import (
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
)

// TestFloat32NearEps: all four functions keep their digits in float32 where naive forms cancel.
func TestFloat32NearEps(t *testing.T) {
	for _, s := range append(All(), FromKernel("autodiff VP", VP{BetaMin: 0.1, BetaMax: 20}.Alpha,
		VP{BetaMin: 0.1, BetaMax: 20}.Sigma, Span{Eps: 1e-3, T: 1}, 1)) {
		var ts []float64
		for x := s.Span().Eps; x < s.Span().T; x *= 1.3 {
			ts = append(ts, float64(float32(x))) // both precisions see the same times
		}
		all := func(in []*Node) []*Node {
			return []*Node{s.Alpha(in[0]), s.Sigma(in[0]), s.Drift(in[0]), s.Diffusion(in[0])}
		}
		single, double := run(t, all, float32s(ts)), run(t, all, ts)
		for k, name := range []string{"alpha", "sigma", "f", "g"} {
			for i, at := range ts {
				if e := relative(single[k][i], double[k][i]); !(e < 2e-6) {
					t.Errorf("%s: %s(%g) is %g in float32, %g in float64, relative error %.1e", s, name, at, single[k][i], double[k][i], e)
				}
			}
		}
	}
}

// TestTransitionFloat32: the noise of each of 1000 steps is right to 1e-3, the rounding of the times included.
func TestTransitionFloat32(t *testing.T) {
	for _, s := range All() {
		ts := grid(s, 1000)
		step := func(in []*Node) []*Node {
			a, c := Transition(s, in[0], in[1])
			return []*Node{a, c}
		}
		single, double := run(t, step, float32s(ts[1:]), float32s(ts[:1000])), run(t, step, ts[1:], ts[:1000])
		var worstA, worstC float64
		for i := range double[0] {
			worstA = max(worstA, relative(single[0][i], double[0][i]))
			worstC = max(worstC, relative(single[1][i], double[1][i]))
		}
		if !(worstA < 1e-5 && worstC < 1e-3) {
			t.Errorf("%s: float32 transition: relative error of a %.1e, of c %.1e", s, worstA, worstC)
		}
	}
}

// TestChapmanKolmogorov: two transitions in a row equal one, and the transition from Eps continues the kernel.
func TestChapmanKolmogorov(t *testing.T) {
	for _, s := range All() {
		ts := grid(s, 30)
		r := run(t, func(in []*Node) []*Node {
			a1, c1 := Transition(s, in[1], in[0])
			a2, c2 := Transition(s, in[2], in[1])
			a, c := Transition(s, in[2], in[0])
			return []*Node{Mul(a1, a2), a, Sqrt(Add(Square(Mul(a2, c1)), Square(c2))), c}
		}, ts[:20], ts[4:24], ts[10:30])
		for i := range r[0] {
			if relative(r[0][i], r[1][i]) > 1e-10 || relative(r[2][i], r[3][i]) > 1e-10 {
				t.Errorf("%s from %g to %g: composed a %.12g c %.12g, direct a %.12g c %.12g",
					s, ts[i], ts[10+i], r[0][i], r[2][i], r[1][i], r[3][i])
			}
		}
	}
}

// TestTransitionSolvesTheSDE integrates v' = 2 f v + g^2 and m' = f m by RK4 over one interval: an oracle for
// Transition that knows only the drift and the diffusion.
func TestTransitionSolvesTheSDE(t *testing.T) {
	const steps = 4000
	for _, s := range All() {
		span := s.Span()
		from, to := span.Eps+0.2*(span.T-span.Eps), span.Eps+0.6*(span.T-span.Eps)
		h := (to - from) / steps
		ts := make([]float64, 2*steps+1) // with the midpoints
		for i := range ts {
			ts[i] = from + h*float64(i)/2
		}
		v, err := Table(s, ts)
		if err != nil {
			t.Fatal(err)
		}
		slope := func(i int, m, c2 float64) (dm, dc2 float64) {
			return v.Drift[i] * m, 2*v.Drift[i]*c2 + v.Diffusion[i]*v.Diffusion[i]
		}
		m, c2 := 1.0, 0.0
		for i := 0; i < 2*steps; i += 2 {
			m1, v1 := slope(i, m, c2)
			m2, v2 := slope(i+1, m+h/2*m1, c2+h/2*v1)
			m3, v3 := slope(i+1, m+h/2*m2, c2+h/2*v2)
			m4, v4 := slope(i+2, m+h*m3, c2+h*v3)
			m, c2 = m+h/6*(m1+2*m2+2*m3+m4), c2+h/6*(v1+2*v2+2*v3+v4)
		}
		r := run(t, func(in []*Node) []*Node {
			a, c := Transition(s, in[0], in[1])
			return []*Node{a, c}
		}, []float64{to}, []float64{from})
		if relative(r[0][0], m) > 1e-10 || relative(r[1][0], math.Sqrt(c2)) > 1e-10 {
			t.Errorf("%s: Transition a %.12g c %.12g, RK4 %.12g %.12g", s, r[0][0], r[1][0], m, math.Sqrt(c2))
		}
	}
}

// TestShapes: the functions keep shape and dtype, and Like broadcasts a coefficient over an image batch.
func TestShapes(t *testing.T) {
	for _, s := range append(All(), FromKernel("autodiff OU", OU1().Alpha, OU1().Sigma, OU1().Span(), 1)) {
		run(t, func(in []*Node) []*Node {
			for _, x := range []*Node{in[0], Reshape(in[0], 3, 2), Reshape(Slice(in[0], AxisElem(0)))} {
				for _, fn := range []func(*Node) *Node{s.Alpha, s.Sigma, s.Drift, s.Diffusion} {
					if y := fn(x); !y.Shape().Equal(x.Shape()) {
						t.Errorf("%s: %s for times %s", s, y.Shape(), x.Shape())
					}
				}
			}
			image := Zeros(in[0].Graph(), in[0].Shape())
			image = BroadcastToDims(Reshape(image, 6, 1, 1), 6, 4, 5)
			if y := Times(s.Alpha(in[0]), image); !y.Shape().Equal(image.Shape()) {
				t.Errorf("%s: Like gives %s", s, y.Shape())
			}
			return []*Node{in[0]}
		}, []float32{0.1, 0.2, 0.3, 0.4, 0.5, 0.6})
	}
}

// TestInsideLoop: samplers call the processes in the body of a While loop, next to uses outside of it.
func TestInsideLoop(t *testing.T) {
	for _, s := range All() {
		span := s.Span()
		late := []float64{span.T, 0.9 * span.T}
		r := run(t, func(in []*Node) []*Node {
			g := in[0].Graph()
			cond := NewClosure(g, func(g *Graph) []*Node {
				i := Parameter(g, "i", in[1].Shape())
				_, _ = Parameter(g, "t", in[0].Shape()), Parameter(g, "sum", in[0].Shape())
				return []*Node{LessThan(Reshape(i), Const(g, 3.0))}
			})
			body := NewClosure(g, func(g *Graph) []*Node {
				i := Parameter(g, "i", in[1].Shape())
				x, sum := Parameter(g, "t", in[0].Shape()), Parameter(g, "sum", in[0].Shape())
				_, c := Transition(s, x, scaled(x, 0.5))
				sum = Add(sum, Add(c, Add(s.Drift(x), s.Diffusion(x))))
				return []*Node{Add(i, Const(g, []float64{1})), scaled(x, 0.5), sum}
			})
			looped := While(cond, body, in[1], in[0], in[2])[2]
			x, sum := in[0], in[2]
			for range 3 {
				_, c := Transition(s, x, scaled(x, 0.5))
				sum = Add(sum, Add(c, Add(s.Drift(x), s.Diffusion(x))))
				x = scaled(x, 0.5)
			}
			return []*Node{looped, sum}
		}, late, []float64{0}, []float64{0, 0})
		for i := range late {
			if relative(r[0][i], r[1][i]) > 1e-13 {
				t.Errorf("%s: %g inside the loop, %g unrolled", s, r[0][i], r[1][i])
			}
		}
	}
}
