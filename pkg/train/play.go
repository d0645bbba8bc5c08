package train

import (
	"context"
	"fmt"
	"strings"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
)

// Game is a training of one network or several: encoder and decoder, generator and critic. In each step every move is made
// once, in their order. Everything in it but the name is part of the run's identity.
type Game struct {
	Recipe
	Players []Player
	Moves   []Move
}

// Player is a network with a name among the players, which is that of its weights.
type Player struct {
	Name string
	Net  score.Net
}

// Move is a step of the optimiser down a loss, in the weights of some players, on a batch of its own. It meets the others as
// the moves before have left them.
type Move struct {
	Players []string // whose weights move
	Loss    Loss
	What    string  // the loss in words, its numbers included: a function has no identity of its own
	Rate    float64 // factor on the recipe's learning rate, > 0; 0: 1
}

// Loss builds the scalar loss of a batch from the players' networks, by name, with the weights under training.
type Loss func(play map[string]Network, rng noise.Source, batch Batch) *Node

// Network applies a network.
type Network func(in score.Inputs) *Node

// Played are trained networks. The scope of their variables in the store is Name, that of the run's folder.
type Played struct {
	RunLog
	Name    string
	Store   *model.Store
	players []Player
}

// Network is a player's network with its averaged (EMA) weights. It panics where there is no such player.
func (p *Played) Network(player string) Network {
	for _, q := range p.players {
		if q.Name == player {
			return score.Variables{Net: q.Net, Store: p.Store, Name: p.Name, Kind: q.Name}.Averaged
		}
	}
	panic(fmt.Errorf("train: no player %q, want one of %s", player, names(p.players)))
}

// Play trains the players of a game on data, with the recipe of each step's moves: the same batch size, schedule, clipping and
// average for all. RunLog.Losses are sums over the moves. It is idempotent and goes on after an interruption as Fit does.
func Play(ctx context.Context, game Game, data Data, set Settings) (*Played, error) {
	if err := game.Validate(); err != nil {
		return nil, err
	}
	std, err := data.check()
	if err != nil {
		return nil, err
	}
	what := game.describe()
	id := game.id(what, data)
	p := &Played{Name: game.folder(id), Store: model.NewStore(), players: game.Players}
	t := &training{
		Recipe: game.Recipe, id: id, what: game.String(), log: &p.RunLog, store: p.Store, data: data, form: game.form(what, std, data),
		bind: func(store *model.Store, name string) *stepper {
			s := &stepper{batch: game.Batch, data: data.drawer(), store: store, name: name}
			for _, m := range game.Moves {
				s.moves = append(s.moves, game.bind(m, store, name))
			}
			return s
		},
	}
	if err := t.open(ctx, &set); err != nil {
		return nil, err
	}
	return p, t.advance(ctx, set)
}

// bind is a move over the variables of a store.
func (g Game) bind(m Move, store *model.Store, name string) move {
	rate := m.Rate
	if rate == 0 {
		rate = 1
	}
	return move{m.Players, rate, func(rng noise.Source, batch Batch) *Node {
		play := map[string]Network{}
		for _, p := range g.Players {
			play[p.Name] = score.Variables{Net: p.Net, Store: store, Name: name, Kind: p.Name}.Live
		}
		return m.Loss(play, rng, batch)
	}}
}

// Validate names the first thing that cannot be used.
func (g Game) Validate() error {
	if err := g.Recipe.Validate(); err != nil {
		return err
	}
	if len(g.Players) == 0 || len(g.Moves) == 0 {
		return unusable("Game", g, "at least one player and one move")
	}
	known := map[string]bool{}
	for _, p := range g.Players {
		if p.Name == "" || p.Name == averages || known[p.Name] || strings.ContainsAny(p.Name, "/ ") {
			return unusable("Player.Name", fmt.Sprintf("%q", p.Name), "a name that no other player has, without slashes and spaces, and not "+averages)
		}
		known[p.Name] = true
		if err := checkNet(p.Net); err != nil {
			return err
		}
	}
	for _, m := range g.Moves {
		if m.Loss == nil || m.What == "" || len(m.Players) == 0 || !(m.Rate >= 0) {
			return unusable("Move", m.What, "a Loss, What it is, the Players that move, and a Rate >= 0")
		}
		for _, p := range m.Players {
			if !known[p] {
				return unusable("Move.Players", p, "one of "+names(g.Players))
			}
		}
	}
	return nil
}

// describe writes what is trained, without the recipe and the data.
func (g Game) describe() string {
	var h strings.Builder
	for _, p := range g.Players {
		fmt.Fprintf(&h, "player %s ", p.Name)
		identify(&h, p.Net)
	}
	for _, m := range g.Moves {
		fmt.Fprintf(&h, "\nmove %v %g: %s", m.Players, m.Rate, m.What)
	}
	return h.String() + "\n"
}

// String names players and losses.
func (g Game) String() string {
	var losses []string
	for _, m := range g.Moves {
		losses = append(losses, m.What)
	}
	return names(g.Players) + ": " + strings.Join(losses, ", ")
}

// names lists players.
func names(players []Player) string {
	var all []string
	for _, p := range players {
		all = append(all, p.Name)
	}
	return strings.Join(all, ", ")
}
