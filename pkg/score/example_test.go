package score_test

import (
	"context"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// A parametrisation of one's own: the network predicts the score times the variance.
func ExampleParametrisation() {
	own := score.Parametrisation{Name: "score times variance", Coef: func(k score.Kernel) score.Coefficients {
		return score.Coefficients{Out: Reciprocal(Square(k.Sigma)), In: Reciprocal(k.Total), Noise: k.LogNoise()}
	}}
	fmt.Println(own, own.Validate())
	// Output: score times variance <nil>
}

// A score with variables of its own, s(x, t) = -x/v, samples like any other.
func ExampleWithVariables() {
	store := model.NewStore()
	if _, err := store.CreateVariable("/gaussian/v", tensors.FromScalar(float32(1))); err != nil {
		panic(err)
	}
	f := score.WithVariables(store, func(_ *model.Scope, x, t *Node) *Node {
		v := store.GetVariable("/gaussian/v").NodeValue(x)
		return Neg(Div(x, v))
	})
	p := sampler.Problem{SDE: sde.OU1(), Score: f, N: 10, Shape: []int{2}}
	r, err := sampler.Run(context.Background(), backend.Go(), p, sampler.PC{Predictor: sampler.EulerMaruyama{}}, sampler.Settings{Steps: 5})
	fmt.Println(r.X.Shape(), r.Status, err)
	// Output: (Float32)[10, 2] done <nil>
}
