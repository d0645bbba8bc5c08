package train

import (
	"errors"
	"fmt"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/score"
)

var errTried = errors.New("train: tried")

// tryNet builds the network once, in a graph and a store that are thrown away, and refuses one whose output does not
// have the width that the loss needs.
func (t *training) tryNet(b compute.Backend) error {
	var got shapes.Shape
	exec, err := model.NewExec(b, model.NewStore(), func(scope *model.Scope, x, noise *Node) []*Node {
		defer backend.PanicWithError()
		got = t.net.Apply(scope, score.Inputs{X: x, Level: noise}).Shape()
		panic(errTried) // nothing of this graph is to be compiled
	})
	if err != nil {
		return fmt.Errorf("train: Net: %w", err)
	}
	defer exec.Finalize()
	x, want := shapes.Make(dtypes.Float32, t.Batch, t.in), shapes.Make(dtypes.Float32, t.Batch, t.out)
	if _, err := exec.Compile(x, shapes.Make(dtypes.Float32, t.Batch)); !got.Ok() {
		return fmt.Errorf("train: Net: %w", err)
	}
	if !got.Equal(want) {
		return fmt.Errorf("train: Net %s turns a batch %s into %s, want %s: set its output to %d", t.net, x, got, want, t.out)
	}
	return nil
}
