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
// have the shape that the loss needs.
func (t *training) tryNet(b compute.Backend) error {
	var got shapes.Shape
	exec, err := model.NewExec(b, model.NewStore(), func(scope *model.Scope, seen []*Node) []*Node {
		defer backend.PanicWithError()
		in := score.Inputs{Level: seen[0]}
		for k, p := range t.netSees {
			switch x := seen[k+1]; p.name {
			case "data":
				in.X = x
			case "given":
				in.Given = x
			case "mask":
				in.Mask = NotEqual(x, ZerosLike(x))
			}
		}
		got = t.net.Apply(scope, in).Shape()
		panic(errTried) // nothing of this graph is to be compiled
	})
	if err != nil {
		return fmt.Errorf("train: Net: %w", err)
	}
	defer exec.Finalize()
	of := func(shape []int) shapes.Shape {
		return shapes.Make(dtypes.Float32, append([]int{t.Batch}, shape...)...)
	}
	seen := []shapes.Shape{of(nil)}
	for _, e := range t.netSees {
		seen = append(seen, of(e.Shape()))
	}
	if _, err := exec.Compile(seen...); !got.Ok() {
		return fmt.Errorf("train: Net: %w", err)
	}
	if want := of(t.out); !got.Equal(want) {
		return fmt.Errorf("train: Net %s turns a batch %s into %s, want %s", t.net, seen[1], got, want)
	}
	return nil
}
