package main

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/layers"
	"github.com/gomlx/gomlx/ml/layers/activation"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/score"
)

// convNet is the example network of the benchmarks of convolutions: a U-Net of about .7 million weights over pictures of
// side x side, given as vectors, whose sides are halved twice.
type convNet struct {
	side    int
	library bool // GoMLX's convolutions in place of nets.Conv
}

// String names the network.
func (n convNet) String() string {
	return fmt.Sprintf("U-Net of %dx%d, GoMLX's %t", n.side, n.side, n.library)
}

// Apply implements score.Net.
func (n convNet) Apply(scope *model.Scope, in score.Inputs) *Node {
	x := in.X
	level := activation.Swish(layers.Dense(scope.At("level"), InsertAxes(in.Level, -1), true, 128))
	h := n.conv(scope.At("first"), Reshape(x, -1, n.side, n.side, 1), 32)
	fine := n.block(scope.At("fine"), h, level, 32)
	middle := n.block(scope.At("middle"), half(fine), level, 64)
	coarse := n.block(scope.At("coarse_1"), half(middle), level, 128)
	coarse = n.conv(scope.At("coarse_2"), activation.Swish(coarse), 128)
	middle = n.block(scope.At("middle_up"), Concatenate([]*Node{middle, double(coarse)}, -1), level, 64)
	fine = n.block(scope.At("fine_up"), Concatenate([]*Node{fine, double(middle)}, -1), level, 32)
	return Reshape(n.conv(scope.At("last"), activation.Swish(fine), 1), x.Shape().Dimensions...)
}

// block is two convolutions, the level added between them, beside a product that brings x to the same channels.
func (n convNet) block(scope *model.Scope, x, level *Node, channels int) *Node {
	h := n.conv(scope.At("a"), activation.Swish(x), channels)
	h = Add(h, InsertAxes(layers.Dense(scope.At("level"), level, true, channels), 1, 1))
	h = n.conv(scope.At("b"), activation.Swish(h), channels)
	return MulScalar(Add(h, layers.Dense(scope.At("skip"), x, false, channels)), 0.7)
}

func (n convNet) conv(scope *model.Scope, x *Node, channels int) *Node {
	kernel := scope.VariableWithShape("kernel", shapes.Make(x.DType(), 3, 3, x.Shape().Dim(-1), channels)).NodeValue(x)
	if n.library {
		return Convolve(x, kernel).PadSame().Done()
	}
	return nets.Conv(x, kernel)
}

// half averages squares of four points; double repeats each point in a square.
func half(x *Node) *Node {
	d := x.Shape().Dimensions
	return ReduceMean(Reshape(x, d[0], d[1]/2, 2, d[2]/2, 2, d[3]), 2, 4)
}

func double(x *Node) *Node {
	d := x.Shape().Dimensions
	return Reshape(BroadcastToDims(Reshape(x, d[0], d[1], 1, d[2], 1, d[3]), d[0], d[1], 2, d[2], 2, d[3]), d[0], 2*d[1], 2*d[2], d[3])
}
