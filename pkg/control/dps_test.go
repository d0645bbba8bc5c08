package control

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestDPSStep: one step is that of the predictor less step grad |r|, twice over, in closed form for Gaussian data, where
// D is linear: grad |r|^2 = -2 D' A^T r.
func TestDPSStep(t *testing.T) {
	const n, std, zeta = 6, 0.6, 0.35
	law := must(dist.NewIsotropicGaussian([]float64{0.5, -0.2, 1}, std))
	a, y := normals(source(1), 2, 3), normals(source(2), n, 2)
	start := normals(source(3), n, 3)
	for name, b := range backendtest.All(t) {
		p := problem(law, ve, n)
		p.DType = dtypes.Float64
		lab := must(sampler.New(b, p))
		set := sampler.Settings{Steps: 1, Seed: 5, Init: sampler.Tensor(start, dtypes.Float64)}
		plain := run(t, lab, predict, set).Samples()
		o, step := must(Observe(a, 0.1, y)), must(NewScale(zeta))
		got := run(t, lab, sampler.PC{Predictor: DPS{sampler.ReverseDiffusion{}, o, step}}, set).Samples()

		_, sigma := sde.At(ve, 1)
		shrink := std * std / (std*std + sigma*sigma) // D'
		denoised := mat.DenseCopyOf(start)
		denoised.Apply(func(_, j int, v float64) float64 { return law.Mean()[j] + shrink*(v-law.Mean()[j]) }, denoised)
		residual := product(denoised, a.T())
		residual.Sub(y, residual)
		pull := product(residual, a) // -grad |r|^2/(2 D')
		pull.Apply(func(i, _ int, v float64) float64 { return 2 * zeta * shrink * v / mat.Norm(residual.RowView(i), 2) }, pull)
		pull.Add(plain, pull)
		wantClose(t, name, got, pull, 1e-9)
	}
}

// TestDPSScale: step 0 is the predictor itself; a positive one brings A x near y; each Scale object has its own
// executable, and setting it needs none.
func TestDPSScale(t *testing.T) {
	law := dist.FourGaussians()
	const n = 40
	for name, b := range backendtest.All(t) {
		lab := must(sampler.New(b, problem(law, ve, n)))
		o := must(Observe(row(1, 0.5), 0.1, row(0.9)))
		one, two := must(NewScale(0)), must(NewScale(0.1))
		set := sampler.Settings{Steps: 60, Seed: 2}
		residual := func(m sampler.Method) (x *mat.Dense, rms float64) {
			x = run(t, lab, m, set).Samples()
			for i := range n {
				rms += math.Pow(x.At(i, 0)+0.5*x.At(i, 1)-0.9, 2) / n
			}
			return x, math.Sqrt(rms)
		}
		with := func(s *Scale) sampler.PC {
			return sampler.PC{Predictor: DPS{sampler.ReverseDiffusion{}, o, s}}
		}
		plain, free := residual(predict)
		zero, _ := residual(with(one))
		wantClose(t, name+": step 0", zero, plain, 1e-5)
		if _, pulled := residual(with(two)); !(pulled < 0.5*free) {
			t.Errorf("%s: residual %.3g with DPS, %.3g without", name, pulled, free)
		}
		if again, _ := residual(with(one)); !mat.Equal(again, zero) {
			t.Errorf("%s: the second scale changed what the first gives", name)
		}
		if lab.Builds() != 3 {
			t.Errorf("%s: %d builds for a predictor and two scales, want 3", name, lab.Builds())
		}
		if err := one.Set(0.1); err != nil {
			t.Fatal(err)
		}
		if _, pulled := residual(with(one)); !(pulled < 0.5*free) || lab.Builds() != 3 {
			t.Errorf("%s: residual %.3g after Set, %.3g without, %d builds", name, pulled, free, lab.Builds())
		}
		if m := with(nil); m.NFE() != 1 || m.Predictor.Order() != (sampler.Order{}) {
			t.Errorf("%s: NFE %d, order %v", name, m.NFE(), m.Predictor.Order())
		}
	}
}

// TestDPSWithoutResidual: where D explains y exactly there is nothing to pull, in float32 as in float64.
func TestDPSWithoutResidual(t *testing.T) {
	for name, b := range backendtest.All(t) {
		for _, dtype := range []dtypes.DType{dtypes.Float32, dtypes.Float64} {
			p := sampler.Problem{SDE: ve, N: 2, Shape: []int{2}, DType: dtype, Score: func(x, _ *Node) *Node { return ZerosLike(x) }} // D = x
			lab := must(sampler.New(b, p))
			o := must(Known([]bool{true, false}, row(0.75)))
			set := sampler.Settings{Steps: 1, Init: sampler.Tensor(mat.NewDense(2, 2, []float64{0.75, 1, 0.75, 2}), dtype)}
			got := run(t, lab, sampler.PC{Predictor: DPS{sampler.ReverseDiffusion{}, o, nil}}, set).Samples()
			wantClose(t, fmt.Sprintf("%s %s", name, dtype), got, run(t, lab, predict, set).Samples(), 1e-6)
		}
	}
}
