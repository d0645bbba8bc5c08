package score

import (
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/internal/loop"
)

// Variables are the two sets of variables of one network: those under training, and their exponential moving average.
type Variables struct {
	Net   Net
	Store *model.Store
	Name  string // of the model, the scope of all that is its own; may be empty
	Kind  string // what the network is in the model: "score", "classifier"
}

// Scope is the absolute path of the variables under training.
func (v Variables) Scope() string { return scope(v.Name, v.Kind) }

// EMAScope is the absolute path of their average.
func (v Variables) EMAScope() string { return scope(v.Name, "ema/"+v.Kind) }

// scope is the absolute path of a kind of variables of a named model.
func scope(name, kind string) string {
	if name == "" {
		return "/" + kind
	}
	return "/" + name + "/" + kind
}

// Live applies the network under training. It creates its variables where they do not exist.
func (v Variables) Live(in Inputs) *Node { return v.apply(v.Scope(), in) }

// Averaged applies the network with averaged weights, and panics where they are missing.
func (v Variables) Averaged(in Inputs) *Node {
	known := v.Store.NumVariables()
	y := v.apply(v.EMAScope(), in)
	if v.forget(known) {
		panic(fmt.Errorf("score: %s %s has no averaged weights: train it or load a checkpoint first", v.Kind, v.Net))
	}
	return y
}

func (v Variables) apply(scope string, in Inputs) *Node {
	loop.Use(in.X, v.Store)
	return v.Net.Apply(v.Store.Scope(scope), in)
}

// forget removes all variables but the first known ones, so that nothing takes them for weights later, and tells
// whether there were any.
func (v Variables) forget(known int) bool {
	all := slices.Collect(v.Store.IterVariables())
	for _, extra := range all[known:] {
		if err := v.Store.DeleteVariable(extra.Path()); err != nil {
			panic(err)
		}
	}
	return len(all) > known
}
