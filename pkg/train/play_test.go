package train

import (
	"math"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
)

// affine is the network w x + c of one number.
type affine struct{ W, C float64 } // at first

func (a affine) Apply(scope *model.Scope, in score.Inputs) *Node {
	number := func(name string, start float64) *Node {
		v := scope.WithInitializer(func(g *Graph, shape shapes.Shape) *Node { return Const(g, float32(start)) })
		return v.VariableWithShape(name, shapes.Make(dtypes.Float32)).NodeValue(in.X)
	}
	return Add(Mul(number("w", a.W), in.X), number("c", a.C))
}

func (affine) String() string { return "affine" }

// linearVAE is the game of encoder and decoder of a variational autoencoder on numbers, with p(x|z) = N(w z + c, std^2) and
// q(z|x) Gaussian. The loss is the negative evidence lower bound, whose minimum is -E log p(x) = the entropy of the data, where
// these are Gaussian with a variance above std^2: then w^2 is the rest of the variance.
func linearVAE(steps int) (g Game, entropy, w2 float64) {
	const variance, std = 1.5, 0.6
	loss := func(play map[string]Network, rng noise.Source, batch Batch) *Node {
		code := play["encoder"](score.Inputs{X: batch.X})
		mean, logStd := Slice(code, AxisRange(), AxisElem(0)), Slice(code, AxisRange(), AxisElem(1))
		z := Add(mean, Mul(Exp(logStd), rng.Normal(mean.Shape())))
		miss := AddScalar(MulScalar(Square(Sub(batch.X, play["decoder"](score.Inputs{X: z}))), 0.5/(std*std)), 0.5*math.Log(2*math.Pi*std*std))
		kl := Sub(MulScalar(AddScalar(Add(Square(mean), Exp(MulScalar(logStd, 2))), -1), 0.5), logStd)
		return ReduceAllMean(Add(miss, kl))
	}
	g = Game{
		Recipe:  Recipe{Name: "vae", Steps: steps, Batch: 256, LearningRate: 1e-2, WarmUp: 20, EMA: 0.99, Seed: 1},
		Players: []Player{{"encoder", nets.MLP{Width: 16, Depth: 1, Output: 2}}, {"decoder", affine{W: 0.5}}},
		Moves:   []Move{{Players: []string{"encoder", "decoder"}, Loss: loss, What: "negative ELBO, std 0.6"}},
	}
	return g, 0.5 * math.Log(2*math.Pi*math.E*variance), variance - std*std
}

// TestPlayVAE: the bound reaches the entropy of the data, and the decoder has the law of the data; the averaged networks come
// out of a finished run, and a second call loads it.
func TestPlayVAE(t *testing.T) {
	normal, err := dist.NewIsotropicGaussian([]float64{0.8}, math.Sqrt(1.5))
	if err != nil {
		t.Fatal(err)
	}
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		game, entropy, w2 := linearVAE(800)
		set := Settings{Backend: b, Dir: t.TempDir()}
		p, err := Play(t.Context(), game, Law(normal), set)
		if err != nil {
			t.Fatal(err)
		}
		last, n := 0.0, 50
		for _, l := range p.Losses[len(p.Losses)-n:] {
			last += l.Loss / float64(n)
		}
		// 50 points of 4 steps of 256 examples: the surprise of a Gaussian number has variance 1/2, the bound's noise is less.
		if se := math.Sqrt(1.5 / (50 * 4 * 256)); !(math.Abs(last-entropy) < 5*se+5e-3) {
			t.Errorf("bound %.4f, want the entropy %.4f within %.4f", last, entropy, 5*se+5e-3)
		}
		decode := func(p *Played) []float32 {
			exec := model.MustNewExec(b, model.NewStore(), func(_ *model.Scope, z *Node) *Node {
				return p.Network("decoder")(score.Inputs{X: z})
			})
			return tensors.MustCopyFlatData[float32](exec.MustCall([][]float32{{0}, {1}})[0])
		}
		y := decode(p)
		if c, w := float64(y[0]), float64(y[1]-y[0]); math.Abs(c-0.8) > 0.05 || math.Abs(w*w-w2) > 0.1 {
			t.Errorf("decoder %.3f z + %.3f, want w^2 = %.3f and 0.8", w, c, w2)
		}
		again, err := Play(t.Context(), game, Law(normal), set)
		if err != nil || !again.Loaded || !slices.Equal(decode(again), y) {
			t.Errorf("a second call: loaded %t, error %v", again != nil && again.Loaded, err)
		}
	})
}

// TestFitIsAGame: the score that Fit trains is that of a game with one move, loss by loss.
func TestFitIsAGame(t *testing.T) {
	cfg, _ := small(20)
	data := points(100)
	want := mustFit(t, cfg, data, Settings{Backend: backend.Go(), Dir: t.TempDir()})
	game := Game{
		Recipe:  cfg.Recipe,
		Players: []Player{{"score", cfg.Net}},
		Moves: []Move{{Players: []string{"score"}, What: cfg.Objective.String(), Loss: func(play map[string]Network, rng noise.Source, batch Batch) *Node {
			f := cfg.Parametrisation.Wrap(process, want.Std, func(x, level *Node) *Node { return play["score"](score.Inputs{X: x, Level: level}) })
			return cfg.Objective.Loss(f, rng, batch.X, nil)
		}}},
	}
	got, err := Play(t.Context(), game, Rows(data), Settings{Backend: backend.Go(), Dir: t.TempDir()})
	if err != nil {
		t.Fatal(err)
	}
	if !slices.Equal(got.Losses, want.Losses) {
		t.Errorf("losses %v, want %v", got.Losses, want.Losses)
	}
}

// duel is a game of two numbers a and b: the first move raises a by the learning rate, the second pulls b towards a. Its loss
// is no number once a has passed a bound.
func duel(bound float64) (Game, func(store *model.Store, name string) *stepper) {
	number := func(play map[string]Network, who string, batch Batch) *Node {
		return ReduceAllMean(play[who](score.Inputs{X: ZerosLike(batch.X)}))
	}
	g := Game{
		Recipe:  Recipe{Name: "duel", Steps: 10, Batch: 4, LearningRate: 0.1},
		Players: []Player{{"a", affine{}}, {"b", affine{}}},
		Moves: []Move{
			{Players: []string{"a"}, What: "-a", Loss: func(play map[string]Network, _ noise.Source, batch Batch) *Node {
				return Neg(number(play, "a", batch))
			}},
			{Players: []string{"b"}, What: "(b - a)^2", Rate: 2, Loss: func(play map[string]Network, _ noise.Source, batch Batch) *Node {
				a := number(play, "a", batch)
				return Add(Square(Sub(number(play, "b", batch), a)), MulScalar(Sqrt(AddScalar(Neg(a), bound)), 0))
			}},
		},
	}
	return g, func(store *model.Store, name string) *stepper {
		s := &stepper{batch: g.Batch, data: Rows(points(4)).drawer(), store: store, name: name}
		for _, m := range g.Moves {
			s.moves = append(s.moves, g.bind(m, store, name))
		}
		return s
	}
}

// TestMoves: a move meets the others as the moves before have left them, at its own rate; a step whose second move is not
// finite leaves every variable as it was before the first.
func TestMoves(t *testing.T) {
	eachBackend(t, func(t *testing.T, b compute.Backend) {
		game, bind := duel(0.25) // a is .1, .2 and .3 after the steps
		store := model.NewStore()
		if err := game.seed(store); err != nil {
			t.Fatal(err)
		}
		s := bind(store, "duel").compile(b)
		inputs, err := (&training{Recipe: game.Recipe, data: Rows(points(4))}).inputs(b)
		if err != nil {
			t.Fatal(err)
		}
		value := func(path string) float64 {
			return float64(tensors.ToScalar[float32](store.GetVariable(path).MustValue()))
		}
		state, err := s.loop.Run(0, 1, startOf(game.Recipe), inputs)
		if err != nil {
			t.Fatal(err)
		}
		a, bb := value("/duel/a/c"), value("/duel/b/c")
		if math.Abs(a-game.Rate(0)) > 1e-5 || math.Abs(bb-2*game.Rate(0)) > 1e-5 {
			t.Errorf("after a step a = %.5f and b = %.5f, want %.5f and twice that", a, bb, game.Rate(0))
		}
		before := map[string]string{}
		for i := 1; i < game.Steps; i++ {
			for v := range store.IterVariables() {
				before[v.Path()] = v.MustValue().String()
			}
			if state, err = s.loop.Run(i, i+1, state, inputs); err != nil {
				t.Fatal(err)
			}
			if bad := tensors.ToScalar[int32](state[stateBadStep]); bad >= 0 {
				if int(bad) != i || i != 2 {
					t.Errorf("step %d is not finite, found at %d, want 2", bad, i)
				}
				break
			}
		}
		for v := range store.IterVariables() {
			if now := v.MustValue().String(); now != before[v.Path()] {
				t.Errorf("%s moved in the bad step: %s, was %s", v.Path(), now, before[v.Path()])
			}
		}
	})
}

// TestGameRefuses: what cannot be played is refused before anything is written.
func TestGameRefuses(t *testing.T) {
	for says, change := range map[string]func(g *Game){
		"Name":                    func(g *Game) { g.Name = "" },
		"at least one player":     func(g *Game) { g.Players = nil },
		"at least one player and": func(g *Game) { g.Moves = nil },
		`Player.Name = ""`:        func(g *Game) { g.Players[0].Name = "" },
		`Player.Name = "ema"`:     func(g *Game) { g.Players[0].Name = "ema" },
		`Player.Name = "decoder"`: func(g *Game) { g.Players[0].Name = "decoder" },
		"Net":                     func(g *Game) { g.Players[1].Net = nil },
		"What it is":              func(g *Game) { g.Moves[0].What = "" },
		"a Loss":                  func(g *Game) { g.Moves[0].Loss = nil },
		"a Rate":                  func(g *Game) { g.Moves[0].Rate = math.NaN() },
		"one of encoder, decoder": func(g *Game) { g.Moves[0].Players = []string{"critic"} },
		"no such network": func(g *Game) {
			g.Moves[0].Loss = func(map[string]Network, noise.Source, Batch) *Node { panic("no such network") }
		},
	} {
		game, _, _ := linearVAE(10)
		change(&game)
		p, err := Play(t.Context(), game, Rows(points(10)), Settings{Backend: backend.Go(), Dir: t.TempDir()})
		if p != nil && err == nil || err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}
