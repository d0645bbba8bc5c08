package nets

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers/activation"
)

// ApplyEach builds F(x, noise) of many members at once, each with weights of its own on rows of its own: x is
// [members B, d], the rows of a member side by side, noise [members B] or [1], the result [members B, Output]. The
// products of a layer are one batched product. weight gives the weights of all members, [members, dims...], which one
// member has as the variable at path below its scope, [dims...]; a member's rows are what Apply computes with them.
func (m MLP) ApplyEach(members int, weight func(path string, dims ...int) *Node, x, noise *Node) *Node {
	if err := m.Validate(); err != nil {
		panic(err)
	}
	rows := x.Shape().Dim(0)
	if members < 1 || x.Rank() != 2 || rows%members != 0 || noise.Rank() != 1 || noise.Shape().Dim(0) != 1 && noise.Shape().Dim(0) != rows {
		panic(fmt.Errorf("nets: %s of %d members got x %s and noise %s, want x [members B, d] and noise [members B] or [1]", m, members, x.Shape(), noise.Shape()))
	}
	output := m.Output
	if output == 0 {
		output = x.Shape().Dim(-1)
	}
	dense := func(path string, x *Node, width int, bias bool) *Node {
		w := weight(path+"/dense/weights", x.Shape().Dim(-1), width)
		y := DotGeneral(x, []int{2}, []int{0}, w, []int{1}, []int{0})
		if bias {
			y = Add(y, InsertAxes(weight(path+"/dense/biases", width), 1))
		}
		return y
	}
	c := m.Embed.Apply(noise)
	if c.Shape().Dim(0) == 1 {
		c = BroadcastToDims(InsertAxes(c, 0), members, 1, c.Shape().Dim(-1))
	} else {
		c = Reshape(c, members, rows/members, c.Shape().Dim(-1))
	}
	h := dense("input", Reshape(x, members, rows/members, x.Shape().Dim(-1)), m.Width, true)
	h = activation.Swish(Add(h, dense("noise", c, m.Width, false)))
	for k := 1; k < m.Depth; k++ {
		h = activation.Swish(dense(fmt.Sprintf("hidden_%d", k), h, m.Width, true))
	}
	return Reshape(dense("output", h, output, true), rows, output)
}
