package score

import (
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/internal/loop"
)

// weights are the two sets of variables of one network: those under training and their average.
type weights struct {
	net            Net
	store          *model.Store
	scope, average string // absolute paths
	owner          string // for errors
}

// scope is the absolute path of a kind of variables of a named model.
func scope(name, kind string) string {
	if name == "" {
		return "/" + kind
	}
	return "/" + name + "/" + kind
}

// live applies the network under training. It creates its variables where they do not exist.
func (w weights) live(in Inputs) *Node { return w.apply(w.scope, in) }

// averaged applies the network with averaged weights, and panics where they are missing.
func (w weights) averaged(in Inputs) *Node {
	known := w.store.NumVariables()
	y := w.apply(w.average, in)
	if w.forget(known) {
		panic(fmt.Errorf("score: model %s has no averaged weights: train it or load a checkpoint first", w.owner))
	}
	return y
}

func (w weights) apply(scope string, in Inputs) *Node {
	loop.Use(in.X, w.store)
	return w.net.Apply(w.store.Scope(scope), in)
}

// forget removes all variables but the first known ones, so that nothing takes them for weights later, and tells
// whether there were any.
func (w weights) forget(known int) bool {
	all := slices.Collect(w.store.IterVariables())
	for _, v := range all[known:] {
		if err := w.store.DeleteVariable(v.Path()); err != nil {
			panic(err)
		}
	}
	return len(all) > known
}
