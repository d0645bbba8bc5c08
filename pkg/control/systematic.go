package control

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// systematic draws ancestors for groups of particles with weights [G, K] that sum to 1: ancestor i of a group is the
// first j with w_0 + ... + w_j > (u + i)/K, for one uniform u per group, so that particle j is drawn K w_j times, rounded up
// or down. The result is int32, [G, K].
func systematic(rng, weights *Node) (newRNG, ancestors *Node) {
	groups, k := weights.Shape().Dim(0), weights.Shape().Dim(1)
	rng, u := RandomUniform(rng, shapes.Make(weights.DType(), groups, 1))
	at := MulScalar(Add(Iota(weights.Graph(), weights.Shape(), 1), u), 1/float64(k))
	return rng, firstAbove(runningSum(weights), at)
}

// runningSum is the sum of each row up to and with each element, in log2(K) additions of shifted rows.
func runningSum(x *Node) *Node {
	k := x.Shape().Dim(1)
	for shift := 1; shift < k; shift *= 2 {
		left := SliceAxis(x, 1, AxisRange(0, k-shift))
		zeros := ZerosLike(SliceAxis(x, 1, AxisRange(0, shift)))
		x = Add(x, Concatenate([]*Node{zeros, left}, 1))
	}
	return x
}

// firstAbove finds by bisection, for each value, the first index of its row of rising sums [G, K] with a larger sum, and
// the last index if there is none.
func firstAbove(sums, values *Node) *Node {
	g := sums.Graph()
	groups, k := sums.Shape().Dim(0), sums.Shape().Dim(1)
	shape := shapes.Make(dtypes.Int32, groups, k)
	row := MulScalar(Iota(g, shape, 0), k)
	flat := Reshape(sums, groups*k)
	below := func(index *Node) *Node { // sums[index] <= value
		at := Reshape(Add(row, index), groups*k, 1)
		return LessOrEqual(Reshape(Gather(flat, at), groups, k), values)
	}
	found := Zeros(g, shape) // everything before found has a sum that is not larger
	jump := 1
	for 2*jump < k {
		jump *= 2
	}
	for ; jump >= 1; jump /= 2 {
		next := MinScalar(AddScalar(found, jump), k-1)
		found = Where(below(AddScalar(next, -1)), next, found)
	}
	return found
}
