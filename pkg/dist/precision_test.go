package dist

import (
	"math"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
)

// eps32 is the unit of rounding in float32.
const eps32 = 0x1p-24

// toFloat32 rounds x and returns it in both precisions.
func toFloat32(x *mat.Dense) (narrow [][]float32, rounded *mat.Dense) {
	n, d := x.Dims()
	narrow, rounded = make([][]float32, n), mat.NewDense(n, d, nil)
	for i := range n {
		for j := range d {
			narrow[i] = append(narrow[i], float32(x.At(i, j)))
			rounded.Set(i, j, float64(narrow[i][j]))
		}
	}
	return narrow, rounded
}

// TestFloat32 compares the two precisions at the same points from sigma = 1e-4 to 10. Rounding alpha X to float32
// moves a point by |x| eps, hence the score of noise sigma by |x| eps / sigma^2 and the log density by r |x| eps / sigma
// with r the distance in standard deviations; nothing may lose more than a small multiple of that.
func TestFloat32(t *testing.T) {
	for _, l := range laws() {
		for _, sigma := range []float64{1e-4, 1e-3, 1e-2, 0.1, 1, 10} {
			for _, alpha := range []float64{1, 0.0066} {
				sigma := float64(float32(sigma))
				alpha := float64(float32(alpha))
				narrow, x := toFloat32(points(l, alpha, sigma, 60))
				size := 1 + math.Max(mat.Max(x), -mat.Min(x))
				slack := 64 * eps32 * (1 + size*alpha/sigma + size)
				call := func(fn func(x, a, s *graph.Node) *graph.Node) []float64 {
					out, err := graph.CallOnce(backend.Go(), fn, narrow, []float32{float32(alpha)}, []float32{float32(sigma)})
					if err != nil {
						t.Fatal(err)
					}
					return toFloat64(out.Value())
				}
				scaled := func(v []float64) []float64 { // sigma times the score
					out := make([]float64, len(v))
					for i := range v {
						out[i] = v[i] * sigma
					}
					return out
				}
				wantClose(t, l.String()+": sigma Score in float32", scaled(call(l.Score)), scaled(flat(must(ScoreAt(l, x, alpha, sigma)))), slack)
				wantClose(t, l.String()+": Denoise in float32", call(l.Denoise), flat(must(DenoiseAt(l, x, alpha, sigma))), 64*eps32*size)
				wantClose(t, l.String()+": LogProb in float32", call(l.LogProb), must(LogProbAt(l, x, alpha, sigma)), 8*slack)
			}
		}
	}
}

// TestFarTails checks that every function stays finite where densities underflow, in both precisions.
func TestFarTails(t *testing.T) {
	for _, l := range laws() {
		for _, far := range []float64{10, 1e3, 1e5} {
			for _, sign := range []float64{-1, 1} {
				x := mat.NewDense(1, l.Dim(), nil)
				x.Apply(func(_, _ int, _ float64) float64 { return sign * far }, x)
				narrow, _ := toFloat32(x)
				for name, fn := range map[string]func(x, a, s *graph.Node) *graph.Node{"LogProb": l.LogProb, "Score": l.Score, "Denoise": l.Denoise} {
					wide := run(t, fn, x, []float64{0.9}, []float64{0.5})
					out, err := graph.CallOnce(backend.Go(), fn, narrow, []float32{0.9}, []float32{0.5})
					if err != nil {
						t.Fatal(err)
					}
					for i, v := range append(wide, toFloat64(out.Value())...) {
						if math.IsNaN(v) || math.IsInf(v, 0) {
							t.Errorf("%s: %s at %g is %g (value %d)", l, name, sign*far, v, i)
						}
						if name == "Score" && v*sign >= 0 {
							t.Errorf("%s: score %g at %g does not point back", l, v, sign*far)
						}
					}
				}
			}
		}
	}
}

// TestNormalised integrates every 1-D and 2-D law of the table by the trapezium rule.
func TestNormalised(t *testing.T) {
	for _, l := range laws() {
		if l.Dim() > 2 {
			continue
		}
		for _, k := range [][2]float64{{1, 0.15}, {0.5, 0.8}, {0.0066, 1}} {
			noised := l.Noised(k[0], k[1])
			mean, cov := noised.Mean(), noised.Cov()
			side := 240
			var x *mat.Dense
			cell := 1.0
			grid := func(j, i int) float64 {
				return mean[j] + 8*math.Sqrt(cov.At(j, j))*(2*float64(i)/float64(side)-1)
			}
			for j := range l.Dim() {
				cell *= 16 * math.Sqrt(cov.At(j, j)) / float64(side)
			}
			if l.Dim() == 1 {
				x = mat.NewDense(side, 1, nil)
				x.Apply(func(i, _ int, _ float64) float64 { return grid(0, i) }, x)
			} else {
				x = mat.NewDense(side*side, 2, nil)
				x.Apply(func(i, j int, _ float64) float64 { return grid(j, []int{i / side, i % side}[j]) }, x)
			}
			mass := 0.0
			for _, v := range must(LogProbAt(l, x, k[0], k[1])) {
				mass += math.Exp(v) * cell
			}
			if math.Abs(mass-1) > 1e-7 {
				t.Errorf("%s: mass %.10f at alpha %g, sigma %g", l, mass, k[0], k[1])
			}
		}
	}
}
