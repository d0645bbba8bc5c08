package score

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
)

// Inputs are what a network sees of a batch of B examples.
type Inputs struct {
	X     *Node // [B, ...], scaled by the parametrisation
	Level *Node // noise level, [B], or [1] for the whole batch; nil where there is none
	Given *Node // condition [B, ...]; nil where there is none
	Mask  *Node // which parts of an example count, bool of the first axes of X, [B, points] for [B, points, values]; nil: all do
}

// Flat are X and Given as vectors side by side, [B, d + c].
func (in Inputs) Flat() *Node {
	b := in.X.Shape().Dim(0)
	x := Reshape(in.X, b, in.X.Shape().Size()/b)
	if in.Given == nil {
		return x
	}
	return Concatenate([]*Node{x, Reshape(in.Given, b, in.Given.Shape().Size()/b)}, -1)
}

// Net is a network F, whose variables live in scope: a score's returns the shape of X, a classifier's one logit per class,
// [B, K]. String names its structure; with the exported fields it tells one network from another.
type Net interface {
	Apply(scope *model.Scope, in Inputs) *Node
	String() string
}

// Context is what a network is given besides x and t, as functions of the batch x [B, ...], so that one score serves
// batches of any size. A nil function gives nothing.
type Context struct {
	Given func(x *Node) *Node // condition, [B, ...]: the one-hot code of a class, say
	Mask  func(x *Node) *Node // as in Inputs
}

// of adds the context to what the network sees of x.
func (c Context) of(x *Node, in Inputs) Inputs {
	if c.Given != nil {
		in.Given = c.Given(x)
	}
	if c.Mask != nil {
		in.Mask = c.Mask(x)
	}
	return in
}
