package train_test

import (
	"context"
	"fmt"
	"os"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
	"github.com/scoresde/scoresde/pkg/train"
)

// A score trained on points that its law draws anew at every step, in a folder of one's own. Losses come at points that depend on
// the number of steps only; compile time is apart.
func ExampleFit() {
	dir, _ := os.MkdirTemp("", "runs")
	defer os.RemoveAll(dir)
	cfg := train.Default("demo", sde.VP{BetaMin: 0.1, BetaMax: 20}, nets.MLP{Width: 16, Depth: 2, Embed: nets.Embedding{Kind: nets.Own, Own: []float64{0.5, 1, 2}}})
	cfg.Recipe, cfg.Batch = cfg.Over(400), 64
	points := 0
	f, err := train.Fit(context.Background(), cfg, train.Law(dist.FourGaussians()), train.Settings{
		Backend: backend.Go(), Dir: dir, OnLoss: func(step int, loss float64) { points++ },
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	first, last := f.Losses[0], f.Losses[len(f.Losses)-1]
	fmt.Println(points, "losses, falling:", last.Loss < first.Loss, "- compiled within the whole:", f.Compile < f.Elapsed)
	// Output: 200 losses, falling: true - compiled within the whole: true
}

// A game of two networks: a generator moves normal numbers towards a law, and a critic tells its numbers from those of the law by
// the logistic loss. The generator moves after the critic, on the critic that has moved.
func ExamplePlay() {
	dir, _ := os.MkdirTemp("", "runs")
	defer os.RemoveAll(dir)
	generate := func(play map[string]train.Network, rng noise.Source, x *Node) *Node {
		return play["generator"](score.Inputs{X: rng.Normal(x.Shape())})
	}
	surprise := func(logit *Node) *Node { return ReduceAllMean(Log1P(Exp(Neg(logit)))) } // -log of the probability
	game := train.Game{
		Recipe: train.Recipe{Name: "gan", Steps: 600, Batch: 64, LearningRate: 3e-3, WarmUp: 20, EMA: 0.99, Seed: 1},
		Players: []train.Player{
			{Name: "critic", Net: nets.MLP{Width: 16, Depth: 2, Output: 1}}, {Name: "generator", Net: nets.MLP{Width: 16, Depth: 1, Output: 1}},
		},
		Moves: []train.Move{
			{Players: []string{"critic"}, What: "logistic", Rate: 2, Loss: func(play map[string]train.Network, rng noise.Source, batch train.Batch) *Node {
				fake := StopGradient(generate(play, rng, batch.X))
				critic := func(x *Node) *Node { return play["critic"](score.Inputs{X: x}) }
				return Add(surprise(critic(batch.X)), surprise(Neg(critic(fake))))
			}},
			{Players: []string{"generator"}, What: "non-saturating", Loss: func(play map[string]train.Network, rng noise.Source, batch train.Batch) *Node {
				return surprise(play["critic"](score.Inputs{X: generate(play, rng, batch.X)}))
			}},
		},
	}
	data, _ := dist.NewIsotropicGaussian([]float64{2}, 0.5)
	played, err := train.Play(context.Background(), game, train.Law(data), train.Settings{Backend: backend.Go(), Dir: dir})
	if err != nil {
		fmt.Println(err)
		return
	}
	exec := model.MustNewExec(backend.Go(), model.NewStore(), func(_ *model.Scope, z *Node) *Node {
		return ReduceAllMean(played.Network("generator")(score.Inputs{X: z}))
	})
	mean := exec.MustCall([][]float32{{-1.5}, {-0.5}, {0.5}, {1.5}})[0].Value().(float32)
	fmt.Println("the generator has found the place:", mean > 1.5 && mean < 2.5)
	// Output: the generator has found the place: true
}
