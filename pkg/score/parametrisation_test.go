package score

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sde"
)

// times covers the span of s, both ends included, densely near its start.
func times(s sde.SDE) []float64 {
	span := s.Span()
	ts := []float64{span.Eps}
	for _, part := range []float64{1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1} {
		ts = append(ts, span.Eps+part*(span.T-span.Eps))
	}
	return ts
}

// The coordinates at which scores are compared, one per time.
func column(x float64, n int) [][]float64 {
	xs := make([][]float64, n)
	for k := range xs {
		xs[k] = []float64{x, -0.5 * x}
	}
	return xs
}

// ideal is what a network must compute for data N(0, tau^2), where E[z|x] = Sigma x/v and E[x_0|x] = Alpha tau^2 x/v
// with v = Alpha^2 tau^2 + Sigma^2: for each parametrisation by the definition of its target, not by its coefficients.
func ideal(p Parametrisation, alpha, sigma, x *Node, std, tau float64) *Node {
	square := func(n *Node) *Node { return Mul(n, n) }
	v := Add(MulScalar(square(alpha), tau*tau), square(sigma))
	noise, data := Div(Mul(sigma, x), v), Div(MulScalar(Mul(alpha, x), tau*tau), v)
	switch p.Name {
	case "epsilon":
		return noise
	case "x0":
		return data
	case "v":
		return Sub(Mul(alpha, noise), Mul(sigma, data))
	case "raw-time":
		return Neg(noise)
	case "edm": // (D - c_skip x/alpha)/c_out in the variables of Karras et al., y = x/alpha and s = sigma/alpha
		s, y := Div(sigma, alpha), Div(x, alpha)
		total := AddScalar(square(s), std*std)
		out := Div(MulScalar(s, std), Sqrt(total))
		// D - c_skip y over one denominator, because the difference cancels at small s
		gap := Mul(y, Div(MulScalar(square(s), tau*tau-std*std), Mul(AddScalar(square(s), tau*tau), total)))
		return Div(gap, out)
	}
	panic(fmt.Errorf("no ideal output for %s", p))
}

// evaluate returns score(x, t) with the ideal network in one dtype.
func evaluate(t *testing.T, p Parametrisation, s sde.SDE, std, tau float64, dtype dtypes.DType, x [][]float64, ts []float64) []float64 {
	t.Helper()
	y, err := CallOnce(backend.Go(), func(x, ts *Node) *Node {
		x, ts = ConvertDType(x, dtype), ConvertDType(ts, dtype)
		net := func(_, _ *Node) *Node {
			return ideal(p, sde.Like(s.Alpha(ts), x), sde.Like(s.Sigma(ts), x), x, std, tau)
		}
		return ConvertDType(p.Wrap(s, std, net)(x, ts), dtypes.Float64)
	}, x, ts)
	if err != nil {
		t.Fatal(err)
	}
	return tensors.MustCopyFlatData[float64](y)
}

// TestIdealNetwork: with the exact target as network every parametrisation is the exact score under every process.
func TestIdealNetwork(t *testing.T) {
	const std, tau = 0.7, 1.3
	for _, s := range sde.All() {
		ts := times(s)
		table, err := sde.Table(s, ts)
		if err != nil {
			t.Fatal(err)
		}
		x := column(1.7, len(ts))
		for _, p := range Parametrisations() {
			got := evaluate(t, p, s, std, tau, dtypes.Float64, x, ts)
			for k := range ts {
				a, v := table.Alpha[k], table.Sigma[k]*table.Sigma[k]
				total := a*a*tau*tau + v
				bound := 1e-10
				if p.Name == "x0" { // its difference cancels by definition
					bound = math.Max(bound, 1e-15*total/v)
				}
				for i, xi := range x[k] {
					if want := -xi / total; !(math.Abs(got[2*k+i]-want) <= bound*math.Abs(want)) {
						t.Errorf("%s, %s, t = %g: score %g, want %g", p, s, ts[k], got[2*k+i], want)
					}
				}
			}
		}
	}
}

// TestFloat32: at the start of the span, where Sigma is smallest, float32 keeps four digits. Data alone loses digits
// as 1/Sigma^2, as its doc comment says.
func TestFloat32(t *testing.T) {
	const std, tau = 0.7, 1.3
	for _, s := range sde.All() {
		ts := []float64{float64(float32(s.Span().Eps)), float64(float32(s.Span().T))}
		table, err := sde.Table(s, ts)
		if err != nil {
			t.Fatal(err)
		}
		x := column(float64(float32(1.7)), len(ts))
		for _, p := range Parametrisations() {
			want := evaluate(t, p, s, std, tau, dtypes.Float64, x, ts)
			got := evaluate(t, p, s, std, tau, dtypes.Float32, x, ts)
			for k := range want {
				bound := 1e-4
				if p.Name == "x0" {
					a, v := table.Alpha[k/2], table.Sigma[k/2]*table.Sigma[k/2]
					bound = math.Max(bound, 4e-7*(a*a*tau*tau+v)/v)
				}
				if !(math.Abs(got[k]-want[k]) <= bound*math.Abs(want[k])) {
					t.Errorf("%s, %s, t = %g: %g in float32, %g in float64", p, s, ts[k/2], got[k], want[k])
				}
			}
		}
	}
}

// TestKarrasTable1 turns the EDM coefficients into those of the denoiser and compares them to the paper's, with
// sigma/alpha as sigma and x/alpha as x.
func TestKarrasTable1(t *testing.T) {
	const std = 0.5
	for _, s := range sde.All() {
		ts := times(s)
		out, err := CallOnceN(backend.Go(), func(ts *Node) []*Node {
			alpha, sigma := s.Alpha(ts), s.Sigma(ts)
			total := Sqrt(Add(MulScalar(Square(alpha), std*std), Square(sigma)))
			c := EDM.Coef(Kernel{ts, alpha, sigma, total, std})
			v := Square(sigma)
			return []*Node{
				alpha, sigma,
				Div(AddScalar(Mul(v, c.Skip), 1), alpha), Div(Mul(v, c.Out), alpha), c.In, c.Noise,
			}
		}, ts)
		if err != nil {
			t.Fatal(err)
		}
		var v [6][]float64
		for k, o := range out {
			v[k] = tensors.MustCopyFlatData[float64](o)
		}
		for k := range ts {
			alpha, sigma := v[0][k], v[1][k]/v[0][k]
			total := math.Hypot(sigma, std)
			for name, pair := range map[string][2]float64{
				"c_skip":  {v[2][k] * alpha, std * std / (total * total)}, // acts on x = alpha y
				"c_out":   {v[3][k], sigma * std / total},
				"c_in":    {v[4][k] * alpha, 1 / total},
				"c_noise": {v[5][k], math.Log(sigma) / 4},
			} {
				if got, want := pair[0], pair[1]; !(math.Abs(got-want) <= 1e-9*(1+math.Abs(want))) {
					t.Errorf("%s, t = %g: %s = %.12g, want %.12g", s, ts[k], name, got, want)
				}
			}
		}
	}
}

// TestUnitVariance: for data of standard deviation std, what goes into the network of EDM and what it should give have
// variance 1 at every time, by the moments of x_0 and z.
func TestUnitVariance(t *testing.T) {
	const std = 0.3
	for _, s := range sde.All() {
		ts := times(s)
		out, err := CallOnceN(backend.Go(), func(ts *Node) []*Node {
			alpha, sigma := s.Alpha(ts), s.Sigma(ts)
			total := Sqrt(Add(MulScalar(Square(alpha), std*std), Square(sigma)))
			c := EDM.Coef(Kernel{ts, alpha, sigma, total, std})
			// Denoising score matching wants -z/Sigma = skip x + out F with x = Alpha x_0 + Sigma z.
			ofData := Div(Neg(Mul(c.Skip, alpha)), c.Out)
			ofNoise := Div(Neg(Add(Reciprocal(sigma), Mul(c.Skip, sigma))), c.Out)
			target := Add(MulScalar(Square(ofData), std*std), Square(ofNoise))
			input := Add(MulScalar(Square(Mul(c.In, alpha)), std*std), Square(Mul(c.In, sigma)))
			return []*Node{input, target}
		}, ts)
		if err != nil {
			t.Fatal(err)
		}
		for i, name := range []string{"input", "target"} {
			for k, v := range tensors.MustCopyFlatData[float64](out[i]) {
				if !(math.Abs(v-1) < 1e-6) {
					t.Errorf("%s, t = %g: variance of the %s is %g", s, ts[k], name, v)
				}
			}
		}
	}
}

// TestTimeShapes: one time for the batch gives what as many copies of it give, and the network sees the shape of t.
func TestTimeShapes(t *testing.T) {
	s := sde.VP{BetaMin: 0.1, BetaMax: 20}
	for _, p := range Parametrisations() {
		out, err := CallOnceN(backend.Go(), func(x, one *Node) []*Node {
			f := func(want int) Func {
				return p.Wrap(s, 0.5, func(x, noise *Node) *Node {
					if noise.Rank() != 1 || noise.Shape().Dim(0) != want {
						panic(fmt.Errorf("the network got a noise level of shape %s", noise.Shape()))
					}
					return sde.Times(noise, x)
				})
			}
			return []*Node{f(1)(x, one), f(3)(x, BroadcastToDims(one, 3))}
		}, [][]float32{{1, 2}, {3, 4}, {-5, 6}}, []float32{0.4})
		if err != nil {
			t.Fatalf("%s: %v", p, err)
		}
		if !out[0].Equal(out[1]) {
			t.Errorf("%s: %v with one time, %v with copies", p, out[0], out[1])
		}
	}
}

func TestWrapRefuses(t *testing.T) {
	net := func(x, _ *Node) *Node { return x }
	for name, build := range map[string]func(){
		"empty":    func() { Parametrisation{}.Wrap(sde.OU1(), 1, net) },
		"unknown":  func() { Parametrisation{Name: "x"}.Wrap(sde.OU1(), 1, net) },
		"std 0":    func() { EDM.Wrap(sde.OU1(), 0, net) },
		"std < 0":  func() { EDM.Wrap(sde.OU1(), -1, net) },
		"std NaN":  func() { EDM.Wrap(sde.OU1(), math.NaN(), net) },
		"std +Inf": func() { EDM.Wrap(sde.OU1(), math.Inf(1), net) },
	} {
		func() {
			defer func() {
				if _, ok := recover().(error); !ok {
					t.Errorf("%s: did not panic with an error", name)
				}
			}()
			build()
		}()
	}
}
