package train

import (
	"fmt"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dataset"
	"github.com/scoresde/scoresde/pkg/noise"
)

// freshSample is the number of examples from which the standard deviation of fresh data is found, and its identity.
const freshSample = 4096

// Fresh is data without end: draw builds a batch of n examples into the graph of each step, so that no example is seen twice
// and none is kept. What is wrong with it, Fit says.
func Fresh(draw func(rng noise.Source, n int) Batch) Data {
	d := Data{fresh: draw}
	if draw == nil {
		d.err = fmt.Errorf("Fresh(nil), want a function that draws a batch")
		return d
	}
	var which []*dataset.Examples
	out, err := CallOnceN(backend.Go(), func(g *Graph) []*Node {
		defer backend.PanicWithError()
		b := draw(noise.Once(g, 0), freshSample)
		if b.X == nil {
			panic(fmt.Errorf("the batch has no X"))
		}
		nodes := []*Node{b.X}
		which = []*dataset.Examples{&d.X}
		if b.Given != nil {
			nodes, which = append(nodes, b.Given), append(which, &d.Given)
		}
		if b.Mask != nil {
			nodes, which = append(nodes, ConvertDType(b.Mask, dtypes.Uint8)), append(which, &d.Mask)
		}
		return nodes
	})
	for k := range which {
		if err == nil {
			*which[k], err = dataset.NewExamples(out[k])
		}
	}
	if err != nil {
		d.err = fmt.Errorf("fresh data: %w", err)
	}
	return d
}

// Generator is a law that draws inside graphs: dist.Mixture, Gaussian, Uniform and Torus.
type Generator interface {
	// SampleGraph draws n points of a float type, [n, d].
	SampleGraph(rng noise.Source, n int, dtype dtypes.DType) *Node
}

// Law is fresh data from a law.
func Law(l Generator) Data {
	if l == nil {
		return Fresh(nil)
	}
	return Fresh(func(rng noise.Source, n int) Batch { return Batch{X: l.SampleGraph(rng, n, dtypes.Float32)} })
}
