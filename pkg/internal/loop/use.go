package loop

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

type usedStores struct{}

// Use announces that the graph that holds node reads variables of store, which may be another than that of its
// executable. Whoever builds with variables of a store of its own calls it before: functions that come with their
// variables can then be combined freely. GoMLX tells variables apart by their paths alone, and so Use panics where one of
// store has the path of a variable of another store that the graph uses already.
func Use(node graph.GraphProvider, store *model.Store) {
	g := node.Graph()
	known := used(g)
	if store == model.GetStore(g) || slices.Contains(known, store) {
		return
	}
	for v := range store.IterVariables() {
		if v.InUseByGraph(g) {
			panic(fmt.Errorf("loop: two stores hold variables called %s: give the models of one graph different names", v.Path()))
		}
	}
	g.AttachState(usedStores{}, append(slices.Clone(known), store))
}

// used lists the stores that were announced for g.
func used(g *graph.Graph) []*model.Store {
	stores, _ := g.State(usedStores{}).([]*model.Store)
	return stores
}
