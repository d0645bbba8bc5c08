package control

import (
	"math"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestRePaintOnce: one step per step is replacement, number for number.
func TestRePaintOnce(t *testing.T) {
	for name, b := range backendtest.All(t) {
		lab := must(sampler.New(b, problem(dist.FourGaussians(), ve, 30)))
		o := half()
		set := sampler.Settings{Steps: 20, Seed: 4}
		once := run(t, lab, sampler.PC{Predictor: RePaint{sampler.ReverseDiffusion{}, o, 1}}, set)
		if replaced := run(t, lab, Impute(predict, o), set); !mat.EqualApprox(once.Samples(), replaced.Samples(), 1e-5) {
			t.Errorf("%s: RePaint with one step differs from replacement", name)
		}
		if !backend.OnDevice(b) { // where it compiles; the host counts
			thrice := sampler.PC{Predictor: RePaint{sampler.StochasticHeun{}, o, 3}}
			if r := run(t, lab, thrice, set); r.NFE != 20*3*2 {
				t.Errorf("%s: %d evaluations in 20 steps of 3 x 2", name, r.NFE)
			}
		}
		for _, n := range []int{0, -1} {
			_, err := lab.Run(t.Context(), sampler.PC{Predictor: RePaint{sampler.ReverseDiffusion{}, o, n}}, set)
			refused(t, name, err, "Resamples = ")
		}
	}
}

// TestRePaintStep follows the variance of the free coordinate for score 0: each step multiplies by 2-a and adds c^2, the
// way back multiplies by a and adds c^2.
func TestRePaintStep(t *testing.T) {
	const n = 20000
	s := sde.VP{BetaMin: 0.1, BetaMax: 20, Times: sde.Span{Eps: 0.6, T: 1}}
	late, sigmaLate := sde.At(s, 1)
	early, sigmaEarly := sde.At(s, 0.6)
	a := late / early
	c2 := sigmaLate*sigmaLate - a*a*sigmaEarly*sigmaEarly
	want := (2-a)*(2-a) + c2
	for range 2 {
		want = (2-a)*(2-a)*(a*a*want+c2) + c2
	}
	for name, b := range backendtest.All(t) {
		p := sampler.Problem{SDE: s, Score: func(x, _ *Node) *Node { return ZerosLike(x) }, N: n, Shape: []int{2}}
		m := sampler.PC{Predictor: RePaint{sampler.ReverseDiffusion{}, half(), 3}}
		x := run(t, must(sampler.New(b, p)), m, sampler.Settings{Steps: 1, Seed: 1}).Samples()
		law := must(dist.NewIsotropicGaussian([]float64{0}, math.Sqrt(want)))
		sampleMoments(t, name, mat.DenseCopyOf(x.Slice(0, n, 1, 2)), law, 0)
	}
}

// TestRePaintBias: repeating steps removes much of the bias of replacement on the four Gaussians, which given x_1 = 0.9
// are in the middle mode.
func TestRePaintBias(t *testing.T) {
	const n = 4000
	lab := must(sampler.New(xla(t), problem(dist.FourGaussians(), ve, n)))
	o := must(Known([]bool{true, false}, row(0.9)))
	missed := func(resamples int) float64 {
		m := sampler.PC{Predictor: RePaint{sampler.ReverseDiffusion{}, o, resamples}}
		return 1 - modesAt(run(t, lab, m, sampler.Settings{Steps: 100, Seed: 2}).Samples())[1]
	}
	one, many := missed(1), missed(5)
	t.Logf("outside the middle mode: %.4f, %.4f with 5 steps per step", one, many)
	if !(one > 0.1 && many < one/2) {
		t.Errorf("outside the middle mode: %.4f, and %.4f with 5 steps per step", one, many)
	}
}
