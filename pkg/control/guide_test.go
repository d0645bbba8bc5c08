package control

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/backend/backendtest"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// uneven is a mixture in the plane whose components differ in weight and width.
func uneven() dist.Mixture {
	means := mat.NewDense(4, 2, []float64{1, 0, 0, 1, -1, 0, 0, -1})
	return must(dist.NewIsotropicMixture([]float64{0.1, 0.2, 0.3, 0.4}, means, []float64{0.2, 0.2, 0.3, 0.15}))
}

// TestGuideIsTheClassScore: score and gradient of the log posterior sum to the score (alpha mu_y - x)/v of class y
// alone (000-16; report, eq 8 with the logarithm that E4 adds), for every process.
func TestGuideIsTheClassScore(t *testing.T) {
	law := uneven()
	labels := []int{2, 0, 3, 1, 1, 2, 0, 3}
	const all = 1
	for name, b := range backendtest.All(t) {
		each, one := must(NewLabels(labels, 4)), must(NewLabels([]int{all}, 4))
		for k, s := range sde.All() {
			if backend.OnDevice(b) && k%4 != 0 {
				continue // it compiles, and changes what each process's own tests cover
			}
			guided := func(y *Labels) field {
				return Guide(score.Exact(law, s).Score(), Class(score.Exact(law, s).Posterior(), y), nil)
			}
			at := eval(t, b, guided(each), guided(one))
			span := s.Span()
			for _, share := range []float64{0, 0.01, 0.3, 0.7, 1} {
				now := span.Eps + share*(span.T-span.Eps)
				alpha, sigma := sde.At(s, now)
				x := normals(source(1), len(labels), 2)
				x.Scale(1.5*math.Hypot(alpha, sigma), x)
				want := func(class func(i int) int) *mat.Dense {
					out := mat.NewDense(len(labels), 2, nil)
					out.Apply(func(i, j int, _ float64) float64 {
						k := class(i)
						std := []float64{0.2, 0.2, 0.3, 0.15}[k]
						return (alpha*law.Means().At(k, j) - x.At(i, j)) / (alpha*alpha*std*std + sigma*sigma)
					}, out)
					return out
				}
				got := at(x, now)
				what := fmt.Sprintf("%s, %s, t = %.3g", name, s, now)
				wantClose(t, what+": a label per sample", got[0], want(func(i int) int { return labels[i] }), 1e-6)
				wantClose(t, what+": one label", got[1], want(func(int) int { return all }), 1e-6)
			}
		}
	}
}

// TestScaleIsAnInput: one executable serves all scales and labels; 0 is the unconditional score, and one step is linear
// in the scale.
func TestScaleIsAnInput(t *testing.T) {
	law := uneven()
	for name, b := range backendtest.All(t) {
		const n = 20
		p := problem(law, ve, n)
		p.DType = dtypes.Float64
		plain := must(sampler.New(b, p))
		scale, y := must(NewScale(1)), must(NewLabels([]int{0}, 4))
		p.Score = Guide(p.Score, Class(score.Exact(law, ve).Posterior(), y), scale)
		lab := must(sampler.New(b, p))
		draw := func(lab *sampler.Sampler, w float64, steps int) *mat.Dense {
			if err := scale.Set(w); err != nil {
				t.Fatal(err)
			}
			return run(t, lab, predict, sampler.Settings{Steps: steps, Seed: 3}).Samples()
		}
		wantClose(t, name+": scale 0", draw(lab, 0, 30), draw(plain, 0, 30), 1e-12)
		none, first, second := draw(lab, 0, 1), draw(lab, 1, 1), draw(lab, 2, 1)
		var twice mat.Dense
		twice.Sub(first, none)
		if !(mat.Norm(&twice, 2) > 0.1) {
			t.Errorf("%s: guidance moved a step by %g only", name, mat.Norm(&twice, 2))
		}
		twice.Scale(2, &twice)
		twice.Add(&twice, none)
		wantClose(t, name+": scale 2", second, &twice, 1e-9)
		for class := range 4 {
			if err := y.Set([]int{class}); err != nil {
				t.Fatal(err)
			}
			x := draw(lab, 1, 100)
			for i := range n {
				for j := range 2 {
					closeTo(t, fmt.Sprintf("%s: sample %d of class %d", name, i, class), x.At(i, j), law.Means().At(class, j), 1.5)
				}
			}
		}
		if lab.Builds() != 1 {
			t.Errorf("%s: %d builds over scales and labels, want 1", name, lab.Builds())
		}
	}
}

// TestGuideOnTheDevice: gradients inside the device loop are those of the host's.
func TestGuideOnTheDevice(t *testing.T) {
	law := uneven()
	p := problem(law, ve, 50)
	p.Score = Guide(p.Score, Class(score.Exact(law, ve).Posterior(), must(NewLabels([]int{3}, 4))), must(NewScale(1.5)))
	lab := must(sampler.New(xla(t), p))
	m := sampler.PC{Predictor: sampler.ReverseDiffusion{}, Corrector: sampler.Langevin{SNR: 0.16}}
	device := run(t, lab, m, sampler.Settings{Steps: 40, Seed: 2})
	onHost := run(t, lab, m, sampler.Settings{Steps: 40, Seed: 2, HostLoop: true})
	wantClose(t, "end", device.Samples(), onHost.Samples(), 1e-4)
}

// TestGuideLinear: the gradient enters with exactly its scale, and Grad is the gradient by finite differences.
func TestGuideLinear(t *testing.T) {
	law := uneven()
	scale := must(NewScale(1))
	l := Class(score.Exact(law, ve).Posterior(), must(NewLabels([]int{1}, 4)))
	base := score.Exact(law, ve).Score()
	at := eval(t, backend.Go(), base, field(l.Score()), Guide(base, l, scale), field(l))
	x := normals(source(2), 6, 2)
	for _, w := range []float64{0, 0.5, 1, 2, 7.5} {
		if err := scale.Set(w); err != nil {
			t.Fatal(err)
		}
		got := at(x, 0.6)
		var want mat.Dense
		want.Scale(w, got[1])
		want.Add(&want, got[0])
		wantClose(t, fmt.Sprintf("scale %g", w), got[2], &want, 1e-12)
	}
	const h = 1e-5
	gradient := at(x, 0.6)[1]
	for j := range 2 {
		up, down := mat.DenseCopyOf(x), mat.DenseCopyOf(x)
		for i := range 6 {
			up.Set(i, j, x.At(i, j)+h)
			down.Set(i, j, x.At(i, j)-h)
		}
		a, c := at(up, 0.6)[3], at(down, 0.6)[3]
		for i := range 6 {
			closeTo(t, "gradient", gradient.At(i, j), (a.At(i, 0)-c.At(i, 0))/(2*h), 1e-7)
		}
	}
}

func TestGuideErrors(t *testing.T) {
	for _, w := range []float64{-0.1, math.NaN(), math.Inf(1), math.Inf(-1)} {
		_, err := NewScale(w)
		refused(t, fmt.Sprintf("NewScale(%g)", w), err, "scale = ")
		s := must(NewScale(2))
		refused(t, fmt.Sprintf("Set(%g)", w), s.Set(w), "scale = ")
	}
	for says, labels := range map[string][]int{"label 1 is 4": {0, 4}, "label 0 is -1": {-1}, "0 labels": nil} {
		_, err := NewLabels(labels, 4)
		refused(t, "NewLabels", err, says)
	}
	y := must(NewLabels([]int{0, 1}, 4))
	refused(t, "Set of a label out of range", y.Set([]int{0, 4}), "label 1 is 4")
	refused(t, "Set of another count", y.Set([]int{0}), "want [2, 4]")
	refused(t, "Set of another count", y.Set([]int{0}), "control: labels")

	law := dist.FourGaussians()
	for name, b := range backendtest.All(t) {
		for says, y := range map[string]*Labels{
			"2 rows of labels for 5 samples":               y,
			"the classifier knows 4 classes, the labels 3": must(NewLabels([]int{1}, 3)),
		} {
			p := problem(law, ve, 5)
			p.Score = Guide(p.Score, Class(score.Exact(law, ve).Posterior(), y), nil)
			r, err := sampler.Run(t.Context(), b, p, predict, sampler.Settings{Steps: 3})
			refused(t, name, err, says)
			if r != nil {
				t.Errorf("%s: %s: got a result too", name, says)
			}
		}
	}
}

// TestNames: a scale is named by its number, and the nil scale is 1.
func TestNames(t *testing.T) {
	if got := must(NewScale(0.25)).String(); got != "0.25" {
		t.Errorf("the scale 0.25 is named %q", got)
	}
	if got := (*Scale)(nil).String(); got != "1" {
		t.Errorf("the nil scale is named %q", got)
	}
	at := eval(t, backend.Go(), func(x, _ *Node) *Node { return Add(ZerosLike(x), (*Scale)(nil).node(x)) })
	closeTo(t, "nil scale", at(row(5), 0)[0].At(0, 0), 1, 0)
}
