// Package nets holds the networks of learned scores and classifiers.
package nets

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"
)

// MLP is a multilayer perceptron over vectors with the noise level as second input. x and the embedded noise level
// enter through Dense layers of their own, each with its own fan-in: concatenated into one layer, many time features
// drown few coordinates. A noise level of shape [1] is embedded once and broadcast.
type MLP struct {
	Width  int       // units per hidden layer
	Depth  int       // hidden layers, >= 1
	Embed  Embedding // of the noise level
	Output int       // width of the output; 0 means that of x
}

// Validate names the first impossible size.
func (m MLP) Validate() error {
	if m.Width < 1 || m.Depth < 1 || m.Output < 0 {
		return fmt.Errorf("nets: MLP got width %d, depth %d, output %d, want width and depth >= 1 and output >= 0", m.Width, m.Depth, m.Output)
	}
	return m.Embed.Validate()
}

// Apply builds F(x, noise): x is [B, d], noise [B] or [1], the result [B, Output].
func (m MLP) Apply(scope *model.Scope, x, noise *Node) *Node {
	if err := m.Validate(); err != nil {
		panic(err)
	}
	if x.Rank() != 2 || noise.Rank() != 1 || noise.Shape().Dim(0) != 1 && noise.Shape().Dim(0) != x.Shape().Dim(0) {
		panic(fmt.Errorf("nets: %s got x %s and noise %s, want x [B, d] and noise [B] or [1]", m, x.Shape(), noise.Shape()))
	}
	output := m.Output
	if output == 0 {
		output = x.Shape().Dim(-1)
	}
	h := Add(
		layers.Dense(scope.At("input"), x, true, m.Width),
		layers.Dense(scope.At("noise"), m.Embed.Apply(noise), false, m.Width))
	h = activation.Swish(h)
	for k := 1; k < m.Depth; k++ {
		h = activation.Swish(layers.Dense(scope.At("hidden_%d", k), h, true, m.Width))
	}
	return layers.Dense(scope.At("output"), h, true, output)
}

// String is the size as in "MLP 3x128 (plain)".
func (m MLP) String() string {
	s := fmt.Sprintf("MLP %dx%d (%s)", m.Depth, m.Width, m.Embed)
	if m.Output > 0 {
		s += fmt.Sprintf(" to %d", m.Output)
	}
	return s
}
