package ode

import (
	"context"
	"math"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/internal/host"
)

// swirl is dx/dt = cos(t) J x with the quarter turn J: a rotation by the angle sin(t) - sin(t0), whose right-hand side
// depends on time.
func swirl(x, t *Node) *Node {
	turned := Concatenate([]*Node{Neg(SliceAxis(x, 1, AxisElem(1))), SliceAxis(x, 1, AxisElem(0))}, 1)
	return Mul(turned, Reshape(Cos(t), t.Shape().Size(), 1))
}

func swirled(start *mat.Dense, from, to float64) *mat.Dense {
	sin, cos := math.Sincos(math.Sin(to) - math.Sin(from))
	var out mat.Dense
	out.Mul(start, mat.NewDense(2, 2, []float64{cos, sin, -sin, cos}))
	return &out
}

var start = mat.NewDense(3, 2, []float64{1, 0, -2, 0.5, 0.1, -3})

func distance(x *tensors.Tensor, want mat.Matrix) float64 {
	var gap mat.Dense
	gap.Sub(host.Matrix(x), want)
	return mat.Max(absolute(&gap))
}

func absolute(m *mat.Dense) *mat.Dense {
	m.Apply(func(_, _ int, v float64) float64 { return math.Abs(v) }, m)
	return m
}

func solver(t *testing.T, b compute.Backend, f Field) *Solver {
	t.Helper()
	s, err := New(b, f)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestOrders: halving the step divides the error by 2^Order, forwards and backwards, within 0.3 of the claim.
func TestOrders(t *testing.T) {
	for name, b := range backendtest.All(t) {
		s := solver(t, b, swirl)
		for _, m := range Methods() {
			for _, span := range [][2]float64{{0, 2}, {2, -0.5}} {
				var errors []float64
				for _, n := range []int{40, 80} {
					r, err := s.Fixed(context.Background(), m, host.Tensor(start, dtypes.Float64), Steps(n, span[0], span[1]))
					if err != nil {
						t.Fatal(err)
					}
					if r.MaxNFE != n*m.stages() || r.Status != Done {
						t.Errorf("%s %s: %d evaluations, status %s", name, m, r.MaxNFE, r.Status)
					}
					errors = append(errors, distance(r.X, swirled(start, span[0], span[1])))
				}
				if order := math.Log2(errors[0] / errors[1]); math.Abs(order-float64(m.Order)) > 0.3 {
					t.Errorf("%s %s %v: order %.2f, want %d (errors %.2g)", name, m, span, order, m.Order, errors)
				}
			}
		}
		if s.Builds() != len(Methods()) {
			t.Errorf("%s: %d builds for %d methods", name, s.Builds(), len(Methods()))
		}
	}
}

// TestAdaptive: the error follows the tolerance, with fewer evaluations for looser ones, for one executable; the dense
// output is as good between the ends; and a start at rest takes no harm.
func TestAdaptive(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, whole := range []bool{false, true} {
			s := solver(t, b, swirl)
			for _, span := range [][2]float64{{0, 6}, {5, -1}} {
				at := []float64{span[0], span[0] + 0.3*(span[1]-span[0]), span[0] + 0.77*(span[1]-span[0]), span[1]}
				last := 0.0
				for _, tol := range []float64{1e-3, 1e-6, 1e-9} {
					c := Tolerance(tol)
					c.WholeStep, c.At = whole, at
					r, err := s.Adaptive(context.Background(), host.Tensor(start, dtypes.Float64), span[0], span[1], c)
					if err != nil {
						t.Fatalf("%s: %v", name, err)
					}
					if d := distance(r.X, swirled(start, span[0], span[1])); !(d < 60*tol) {
						t.Errorf("%s whole %t %v tolerance %g: error %.2g", name, whole, span, tol, d)
					}
					for k, u := range at {
						if d := distance(r.At[k], swirled(start, span[0], u)); !(d < 100*tol) {
							t.Errorf("%s whole %t %v tolerance %g: error %.2g at t = %g", name, whole, span, tol, d, u)
						}
					}
					if !(r.NFE > last) || r.NFE > float64(r.MaxNFE) {
						t.Errorf("%s whole %t tolerance %g: NFE %.1f (max %d), at the looser tolerance %.1f", name, whole, tol, r.NFE, r.MaxNFE, last)
					}
					last = r.NFE
				}
			}
			if s.Builds() != 1 {
				t.Errorf("%s whole %t: %d builds, want 1", name, whole, s.Builds())
			}
		}
	}
}

// stiff has one fast and one slow sample: dx/dt = -x/rate, rate from the first coordinate, which stays.
func stiff(x, t *Node) *Node {
	rate := SliceAxis(x, 1, AxisElem(0))
	return Concatenate([]*Node{ZerosLike(rate), Neg(Mul(rate, SliceAxis(x, 1, AxisElem(1))))}, 1)
}

// TestPerSample: a slow sample takes fewer steps than a fast one beside it, and the same as alone.
func TestPerSample(t *testing.T) {
	for name, b := range backendtest.All(t) {
		s := solver(t, b, stiff)
		both, err := s.Adaptive(context.Background(), host.Tensor(mat.NewDense(2, 2, []float64{1, 1, 60, 1}), dtypes.Float64), 0, 2, Tolerance(1e-6))
		if err != nil {
			t.Fatal(err)
		}
		alone, err := s.Adaptive(context.Background(), host.Tensor(mat.NewDense(1, 2, []float64{1, 1}), dtypes.Float64), 0, 2, Tolerance(1e-6))
		if err != nil {
			t.Fatal(err)
		}
		if both.Accepted[0] != alone.Accepted[0] || both.Accepted[1] < 2*both.Accepted[0] {
			t.Errorf("%s: steps %v together, %v alone", name, both.Accepted, alone.Accepted)
		}
		if d := distance(both.X, mat.NewDense(2, 2, []float64{1, math.Exp(-2), 60, math.Exp(-120)})); d > 1e-5 {
			t.Errorf("%s: error %.2g", name, d)
		}
	}
}

// TestNoHang: whatever cannot be solved ends, with a status and a sentence.
func TestNoHang(t *testing.T) {
	explode := func(x, t *Node) *Node { return Square(x) } // from 1, infinite at t = 1
	hole := func(x, t *Node) *Node {
		return Sqrt(Sub(OnesLike(x), Mul(OnesLike(x), Reshape(t, t.Shape().Size(), 1))))
	} // NaN beyond t = 1
	for name, b := range backendtest.All(t) {
		one := host.Tensor(mat.NewDense(1, 1, []float64{1}), dtypes.Float32)
		for _, c := range []struct {
			what  string
			field Field
			max   int
			want  []Status
			text  string
		}{
			{"few steps", explode, 3, []Status{MaxSteps}, "raise MaxSteps"},
			{"explosion", explode, 0, []Status{TooSmall, NonFinite}, "t = "},
			{"hole", hole, 0, []Status{NonFinite}, "NaN"},
		} {
			for _, whole := range []bool{false, true} {
				r, err := solver(t, b, c.field).Adaptive(context.Background(), one, 0, 2, Control{Abs: 1e-5, Rel: 1e-5, MaxSteps: c.max, WholeStep: whole})
				if err == nil || !strings.Contains(err.Error(), c.text) {
					t.Errorf("%s %s: error %v", name, c.what, err)
					continue
				}
				ok := false
				for _, s := range c.want {
					ok = ok || r.Status == s
				}
				if !ok {
					t.Errorf("%s %s: status %s, want one of %v", name, c.what, r.Status, c.want)
				}
			}
		}
		if _, err := solver(t, b, explode).Fixed(context.Background(), Euler, one, Steps(400, 0, 4)); err == nil || !strings.Contains(err.Error(), "infinite") {
			t.Errorf("%s fixed: %v", name, err)
		}
	}
}

// TestStops: a context that has ended stops before the first step.
func TestStops(t *testing.T) {
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, b := range backendtest.All(t) {
		s, x := solver(t, b, swirl), host.Tensor(start, dtypes.Float32)
		if r, err := s.Adaptive(ctx, x, 0, 1, Tolerance(1e-3)); err == nil || r.Status != Cancelled {
			t.Errorf("adaptive: %v, %v", r, err)
		}
		if r, err := s.Fixed(ctx, Heun, x, Steps(3, 0, 1)); err == nil || r.Status != Cancelled {
			t.Errorf("fixed: %v, %v", r, err)
		}
	}
}

func TestRefuses(t *testing.T) {
	b := backendtest.All(t)["go"]
	x, nan := host.Tensor(start, dtypes.Float32), math.NaN()
	if _, err := New(nil, swirl); err == nil {
		t.Error("no backend was accepted")
	}
	if _, err := New(b, nil); err == nil {
		t.Error("no field was accepted")
	}
	s := solver(t, b, swirl)
	for text, c := range map[string]struct {
		from, to float64
		c        Control
	}{
		"Abs = 0":       {0, 1, Control{Rel: 1}},
		"Rel = -1":      {0, 1, Control{Abs: 1, Rel: -1}},
		"Abs = NaN":     {0, 1, Control{Abs: nan, Rel: 1}},
		"MaxSteps = -1": {0, 1, Control{Abs: 1, Rel: 1, MaxSteps: -1}},
		"span":          {1, 1, Tolerance(1)},
		"start time":    {nan, 1, Tolerance(1)},
		"end time":      {0, math.Inf(1), Tolerance(1)},
		"between":       {0, 1, Control{Abs: 1, Rel: 1, At: []float64{2}}},
	} {
		if _, err := s.Adaptive(context.Background(), x, c.from, c.to, c.c); err == nil || !strings.Contains(err.Error(), text) {
			t.Errorf("%s: %v", text, err)
		}
	}
	for _, grid := range [][]float64{nil, {0}, {0, 1, 1}, {0, 1, 0.5}, {0, 0, 1}, {0, nan}} {
		if _, err := s.Fixed(context.Background(), Heun, x, grid); err == nil {
			t.Errorf("grid %v was accepted", grid)
		}
	}
	if _, err := s.Fixed(context.Background(), Method{}, x, Steps(2, 0, 1)); err == nil {
		t.Error("an empty method was accepted")
	}
	if _, err := s.Fixed(context.Background(), Heun, tensors.FromValue([]float32{1}), Steps(2, 0, 1)); err == nil {
		t.Error("a start of rank 1 was accepted")
	}
}
