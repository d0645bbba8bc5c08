package edm

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestIdealNetwork: with the exact target as network, for data N(0, tau^2) the noise E[z|x] = Sigma x/v or its negative, every
// parametrisation is the exact score -x/v under every process, v = Alpha^2 tau^2 + Sigma^2; in float32 to four digits.
func TestIdealNetwork(t *testing.T) {
	const std, tau, x = 0.7, 1.3, 1.7
	for _, s := range sde.All() {
		span := s.Span()
		ts := []float64{float64(float32(span.Eps))}
		for _, part := range []float64{1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 1} {
			ts = append(ts, float64(float32(span.Eps+part*(span.T-span.Eps))))
		}
		table := must(sde.Table(s, ts))
		xs := make([][]float64, len(ts))
		for k := range xs {
			xs[k] = []float64{float64(float32(x))}
		}
		for _, p := range Parametrisations() {
			sign := map[string]float64{"karras-vp": 1, "karras-ve": -1, "karras-iddpm": 1}[p.Name]
			for dtype, bound := range map[dtypes.DType]float64{dtypes.Float64: 1e-10, dtypes.Float32: 1e-4} {
				out := must(CallOnce(backend.Go(), func(x, ts *Node) *Node {
					x, ts = ConvertDType(x, dtype), ConvertDType(ts, dtype)
					alpha, sigma := sde.Like(s.Alpha(ts), x), sde.Like(s.Sigma(ts), x)
					v := Add(MulScalar(Square(alpha), tau*tau), Square(sigma))
					noise := Div(Mul(sigma, x), v)
					net := func(_, _ *Node) *Node { return MulScalar(noise, sign) }
					return ConvertDType(p.Wrap(s, std, net)(x, ts), dtypes.Float64)
				}, xs, ts))
				for k, got := range tensors.MustCopyFlatData[float64](out) {
					a, b := table.Alpha[k], table.Sigma[k]
					if want := -xs[k][0] / (a*a*tau*tau + b*b); !(relative(got, want) <= bound) {
						t.Errorf("%s, %s, %s, t = %g: score %g, want %g", p, s, dtype, ts[k], got, want)
					}
				}
			}
		}
	}
}

// TestPreconditionedScore: D = c_skip x + c_out F(c_in x; c_noise) and score = (D - x)/sigma^2 in the units of the data give
// what Wrap computes on a process with a scaling.
func TestPreconditionedScore(t *testing.T) {
	const std, x, at = 0.7, 0.9, 0.4
	s := sde.VP{BetaMin: 0.1, BetaMax: 20}
	sigma, scale, err := sde.ScheduleOf(s, []float64{at})
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range Parametrisations() {
		c, err := p.Preconditioning(std, sigma)
		if err != nil {
			t.Fatal(err)
		}
		y := x / scale[0]
		d := c.Skip[0]*y + c.Out[0]*math.Sin(c.In[0]*y+c.Noise[0])
		want := (d - y) / (sigma[0] * sigma[0]) / scale[0] // p_t(x) = p(x/s; sigma)/s
		for name, b := range backendtest.All(t) {
			out, err := CallOnce(b, func(x, ts *Node) *Node {
				return p.Wrap(s, std, func(x, noise *Node) *Node { return Sin(Add(x, sde.Like(noise, x))) })(x, ts)
			}, [][]float64{{x}}, []float64{at})
			if err != nil {
				t.Fatal(err)
			}
			if got := tensors.MustCopyFlatData[float64](out)[0]; math.Abs(got-want) > 1e-10*math.Abs(want) {
				t.Errorf("%s, %s: score %.15g, want %.15g", name, p, got, want)
			}
		}
	}
}

// TestIDDPMStep: at every level, just beside the midpoints and far outside, in both float types and engines.
func TestIDDPMStep(t *testing.T) {
	u := IDDPMLevels()[:1000]
	sigmas, want := []float64{1e-5, 1e7}, []float64{0, 999}
	for j := range u {
		sigmas, want = append(sigmas, u[j]), append(want, float64(999-j))
		if j > 0 {
			between := (u[j-1] + u[j]) / 2
			sigmas = append(sigmas, between-0.01*(u[j-1]-u[j]), between+0.01*(u[j-1]-u[j]))
			want = append(want, float64(999-j), float64(1000-j))
		}
	}
	for name, b := range backendtest.All(t) {
		for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
			out, err := CallOnce(b, func(sigma *Node) *Node {
				sigma = ConvertDType(sigma, dtype)
				return ConvertDType(iddpmStep(OnesLike(sigma), sigma), dtypes.Float64)
			}, sigmas)
			if err != nil {
				t.Fatal(err)
			}
			for i, got := range tensors.MustCopyFlatData[float64](out) {
				if got != want[i] {
					t.Errorf("%s, %s: step of sigma = %g is %g, want %g", name, dtype, sigmas[i], got, want[i])
				}
			}
		}
	}
}

// TestTimeShapes: one time for the batch gives what as many copies of it give, and the network sees the shape of t.
func TestTimeShapes(t *testing.T) {
	s := sde.VP{BetaMin: 0.1, BetaMax: 20}
	for _, p := range Parametrisations() {
		out := must(CallOnceN(backend.Go(), func(x, one *Node) []*Node {
			f := func(want int, ts *Node) *Node {
				return p.Wrap(s, 0.5, func(x, noise *Node) *Node {
					if noise.Rank() != 1 || noise.Shape().Dim(0) != want {
						panic(fmt.Errorf("the network got a noise level of shape %s", noise.Shape()))
					}
					return sde.Times(noise, x)
				})(x, ts)
			}
			return []*Node{f(1, one), f(3, BroadcastToDims(one, 3))}
		}, [][]float32{{1, 2}, {3, 4}, {-5, 6}}, []float32{0.4}))
		if !out[0].Equal(out[1]) {
			t.Errorf("%s: %v with one time, %v with copies", p, out[0], out[1])
		}
	}
}
