// Package nets holds the networks of learned scores and classifiers.
package nets

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/score"
)

// MLP is a multilayer perceptron over vectors with the noise level as second input. x and the embedded noise level
// enter through Dense layers of their own, each with its own fan-in: concatenated into one layer, many time features
// drown few coordinates. A noise level of shape [1] is embedded once and broadcast; where there is none, x enters alone.
type MLP struct {
	Width  int       // units per hidden layer
	Depth  int       // hidden layers, >= 1
	Embed  Embedding // of the noise level
	Output int       // width of the output; 0 gives it the shape of X
}

// Validate names the first impossible size.
func (m MLP) Validate() error {
	if m.Width < 1 || m.Depth < 1 || m.Output < 0 {
		return fmt.Errorf("nets: MLP got width %d, depth %d, output %d, want width and depth >= 1 and output >= 0", m.Width, m.Depth, m.Output)
	}
	return m.Embed.Validate()
}

// Apply builds F: [B, Output], or the shape of X where Output is 0. Examples of any shape enter as vectors, the condition
// beside them.
func (m MLP) Apply(scope *model.Scope, in score.Inputs) *Node {
	if err := m.Validate(); err != nil {
		panic(err)
	}
	x, level := in.Flat(), in.Level
	if level != nil && (level.Rank() != 1 || level.Shape().Dim(0) != 1 && level.Shape().Dim(0) != x.Shape().Dim(0)) {
		panic(fmt.Errorf("nets: %s got X %s and Level %s, want X [B, ...] and Level [B] or [1]", m, in.X.Shape(), level.Shape()))
	}
	if in.Mask != nil {
		panic(fmt.Errorf("nets: %s got a mask, want examples that count as a whole", m))
	}
	output := m.Output
	if output == 0 {
		output = in.X.Shape().Size() / in.X.Shape().Dim(0)
	}
	h := layers.Dense(scope.At("input"), x, true, m.Width)
	if level != nil {
		h = Add(h, layers.Dense(scope.At("noise"), m.Embed.Apply(level), false, m.Width))
	}
	h = activation.Swish(h)
	for k := 1; k < m.Depth; k++ {
		h = activation.Swish(layers.Dense(scope.At("hidden_%d", k), h, true, m.Width))
	}
	h = layers.Dense(scope.At("output"), h, true, output)
	if m.Output == 0 {
		h = Reshape(h, in.X.Shape().Dimensions...)
	}
	return h
}

// String is the size as in "MLP 3x128 (plain)".
func (m MLP) String() string {
	s := fmt.Sprintf("MLP %dx%d (%s)", m.Depth, m.Width, m.Embed)
	if m.Output > 0 {
		s += fmt.Sprintf(" to %d", m.Output)
	}
	return s
}
