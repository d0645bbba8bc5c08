package sampler

import (
	"context"
	"slices"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// TestShapes: every method draws pictures as it draws the vectors of their numbers, with adaptive steps too, from the prior
// and from a given start.
func TestShapes(t *testing.T) {
	shape := []int{2, 2, 1}
	data := newTarget(4, 0.3)
	vectors := data.problem(vp, 20)
	pictures := vectors
	pictures.Shape, pictures.Score = shape, score.Shaped(vectors.Score, shape...)
	flat, shaped := must(New(backend.Go(), vectors)), must(New(backend.Go(), pictures))
	same := func(what string, got, want *tensors.Tensor) {
		if !slices.Equal(got.Shape().Dimensions, append([]int{20}, shape...)) {
			t.Errorf("%s: samples have shape %s", what, got.Shape())
		}
		if !mat.EqualApprox(Matrix(got), Matrix(want), 1e-5) {
			t.Errorf("%s: pictures are not sampled as vectors are", what)
		}
	}
	all := []Method{Heun{}, DPMSolver2M{}, DEIS{}, UniPC{}}
	for _, group := range methods() {
		for _, m := range group {
			all = append(all, m)
		}
	}
	for _, m := range all {
		set := Settings{Steps: 6, Seed: 3}
		same(m.String(), must(shaped.Run(context.Background(), m, set)).X, must(flat.Run(context.Background(), m, set)).X)
	}
	start := data.law().Noised(sde.At(vp, vp.Span().T)).Sample(source(3), 20)
	x := Tensor(start, 0)
	set, other := Settings{Seed: 1, Init: x}, Settings{Seed: 1, Init: tensors.FromFlatDataAndDimensions(tensors.MustCopyFlatData[float32](x), 20, 2, 2, 1)}
	same("adaptive", adapt(t, shaped, equal(0.05), other).X, adapt(t, flat, equal(0.05), set).X)
	denoised := Settings{Steps: 6, Seed: 3, Denoise: true}
	same("denoised", must(Backward(context.Background(), backend.Go(), pictures, data.law(), PC{Predictor: DDIM{}}, denoised)).X,
		must(Backward(context.Background(), backend.Go(), vectors, data.law(), PC{Predictor: DDIM{}}, denoised)).X)
}
