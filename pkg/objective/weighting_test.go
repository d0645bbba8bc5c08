package objective

import (
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

const dataStd = 0.6

var weightings = []Weighting{{}, SigmaSquared, Likelihood, Unit, EDMWeighting(dataStd), MinSNR(5)}

func spread5(s sde.SDE) []float64 {
	span := s.Span()
	var ts []float64
	for _, part := range []float64{0, 0.01, 0.3, 0.7, 1} {
		ts = append(ts, span.Eps+part*(span.T-span.Eps))
	}
	return ts
}

// TestLambda compares the weights to the formulas of their papers.
func TestLambda(t *testing.T) {
	for _, s := range sde.All() {
		ts := spread5(s)
		v, err := sde.Table(s, ts)
		if err != nil {
			t.Fatal(err)
		}
		for _, w := range weightings {
			out, err := CallOnce(backend.Go(), func(t *Node) *Node { return w.Lambda(s, t) }, ts)
			if err != nil {
				t.Fatal(err)
			}
			for k, got := range tensors.MustCopyFlatData[float64](out) {
				a, sigma := v.Alpha[k], v.Sigma[k]
				snr := a * a / (sigma * sigma)
				ratio := sigma / a // the noise level of Karras et al.
				want := map[string]float64{
					"sigma^2": sigma * sigma,
					"g^2":     v.Diffusion[k] * v.Diffusion[k],
					"1":       1,
					// their weight on |D - x_0|^2, where D - x_0 = (sigma^2/alpha) (score - target)
					"EDM(std 0.6)": (ratio*ratio + dataStd*dataStd) / math.Pow(ratio*dataStd, 2) * math.Pow(sigma*sigma/a, 2),
					"min-SNR(5)":   math.Min(snr, 5) / snr * sigma * sigma,
				}[w.String()]
				if !(math.Abs(got-want) <= 1e-9*want) {
					t.Errorf("%s, %s, t = %g: lambda %g, want %g", s, w, ts[k], got, want)
				}
			}
		}
	}
}

// TestErrors compares the weighted errors to the losses as their papers write them: on the score, on the denoiser, and
// on the noise.
func TestErrors(t *testing.T) {
	x0 := [][]float64{{1, -2}, {0.1, 0.4}, {-0.7, 0}, {3, 1}, {0, 0}}
	z := [][]float64{{0.3, 1.2}, {-2, 0.1}, {0.5, 0.5}, {-0.1, -1}, {1, 2}}
	f := score.Func(func(x, t *Node) *Node { return Neg(Sin(Add(x, sde.Like(t, x)))) })
	for _, s := range sde.All() {
		out, err := CallOnceN(backend.Go(), func(x0, z, t *Node) []*Node {
			alpha, sigma, g := s.Alpha(t), s.Sigma(t), s.Diffusion(t)
			a, v := sde.Like(alpha, x0), sde.Like(sigma, x0)
			x := Add(Mul(a, x0), Mul(v, z))
			norm := func(y *Node) *Node { return ReduceSum(Square(y), -1) }
			onScore := norm(Add(f(x, t), Div(z, v)))
			onData := norm(Sub(score.Denoiser(f, s)(x, t), x0))
			onNoise := norm(Sub(z, Neg(Mul(v, f(x, t)))))
			ratio := Div(sigma, alpha)
			edm := Div(AddScalar(Square(ratio), dataStd*dataStd), Square(MulScalar(ratio, dataStd)))
			snr := Square(Reciprocal(ratio))
			want := []*Node{
				onNoise, onNoise, Mul(Square(g), onScore), onScore, Mul(edm, onData),
				Mul(Div(MinScalar(snr, 5), snr), onNoise),
			}
			for _, w := range weightings {
				want = append(want, DSM{SDE: s, Weighting: w}.Errors(f, x0, z, t, nil))
			}
			return want
		}, x0, z, spread5(s))
		if err != nil {
			t.Fatal(err)
		}
		for k, w := range weightings {
			want := tensors.MustCopyFlatData[float64](out[k])
			for i, got := range tensors.MustCopyFlatData[float64](out[len(weightings)+k]) {
				if !(math.Abs(got-want[i]) <= 1e-6*want[i]) { // x_0 cancels in the denoiser error
					t.Errorf("%s, %s, example %d: error %g, want %g", s, w, i, got, want[i])
				}
			}
		}
	}
}

func TestOnDenoiserRefuses(t *testing.T) {
	if _, err := SigmaSquared.OnDenoiser([]float64{1, 0}); err == nil || !strings.Contains(err.Error(), "noise level 1 is 0") {
		t.Errorf("got %v", err)
	}
	if _, err := SigmaSquared.OnDenoiser(nil); err == nil {
		t.Error("no levels were accepted")
	}
}
