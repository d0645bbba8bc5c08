package score

import (
	"math"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestTruth: the score is the gradient of the log density, the denoiser that of Tweedie's formula and the posterior sums to
// 1, all of the law that At names; a law without components has no posterior.
func TestTruth(t *testing.T) {
	u := Exact(dist.FourGaussians(), sde.VP{BetaMin: 0.1, BetaMax: 20})
	const at = 0.3
	pt := u.At(at)
	x := points4
	out := MustExecOnceN(backend.Go(), func(x, t *Node) []*Node {
		total := ReduceSum(Exp(u.Posterior()(x, t)), -1)
		return []*Node{
			Sub(u.Score()(x, t), u.LogDensity().Score()(x, t)), Sub(u.Denoiser()(x, t), Denoiser(u.Score(), u.SDE)(x, t)),
			AddScalar(total, -1), u.LogDensity()(x, t),
		}
	}, rows(x), []float64{at})
	for k, what := range []string{"score", "denoiser", "posterior"} {
		for _, v := range host.Values(out[k]) {
			if !(math.Abs(v) < 1e-10) {
				t.Errorf("%s is off by %g", what, v)
			}
		}
	}
	want, err := dist.LogProbAt(pt, x, 1, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i, got := range host.Values(out[3]) {
		if !(math.Abs(got-want[i]) < 1e-10) {
			t.Errorf("log density %d is %g, want %g", i, got, want[i])
		}
	}
	plain := Exact(dist.Unit(), u.SDE)
	if _, err := CallOnce(backend.Go(), func(x, t *Node) *Node { return plain.Posterior()(x, t) }, [][]float64{{0.5}}, []float64{at}); err == nil || !strings.Contains(err.Error(), "no components") {
		t.Errorf("the posterior of a law without components: %v", err)
	}
}

// TestShapes: a score of vectors serves examples of a shape and back, and says what it got instead.
func TestShapes(t *testing.T) {
	f := Func(func(x, t *Node) *Node { return Mul(x, sde.Like(t, x)) })
	shaped := Shaped(func(x, t *Node) *Node { x.AssertDims(3, 4); return f(x, t) }, 2, 2, 1)
	flat := Flat(shaped, 2, 2, 1)
	x := [][]float64{{1, 2, 3, 4}, {5, 6, 7, 8}, {9, 10, 11, 12}}
	out := MustExecOnceN(backend.Go(), func(x, t *Node) []*Node {
		pictures := shaped(Reshape(x, 3, 2, 2, 1), t)
		pictures.AssertDims(3, 2, 2, 1)
		return []*Node{ReduceAllMax(Abs(Sub(flat(x, t), f(x, t)))), ReduceAllMax(Abs(Sub(Reshape(pictures, 3, 4), f(x, t))))}
	}, x, []float64{2})
	for k, o := range out {
		if v := o.Value().(float64); v != 0 {
			t.Errorf("score %d is off by %g", k, v)
		}
	}
	if _, err := CallOnce(backend.Go(), func(x, t *Node) *Node { return shaped(x, t) }, x, []float64{2}); err == nil || !strings.Contains(err.Error(), "want [3, [2 2 1]...]") {
		t.Errorf("vectors where pictures are wanted: %v", err)
	}
}
