package control

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/scoresde/scoresde/pkg/noise"
)

// unit is what weights are counted in: sums of integers are exact in any order, so that no rounding draws a particle
// without weight. K times 1/unit must stay below 2^63.
const unit = 0x1p-40

// systematic draws ancestors for groups of particles with weights [G, K] that sum to 1: ancestor i of a group is the
// first j with w_0 + ... + w_j > (u + i)/K, for one uniform u per group, so that particle j is drawn K w_j times, rounded up
// or down. The result is int32, [G, K].
func systematic(rng noise.Source, weights *Node) *Node {
	groups, k := weights.Shape().Dim(0), weights.Shape().Dim(1)
	u := rng.Uniform(shapes.Make(weights.DType(), groups, 1))
	counts := ConvertDType(MulScalar(weights, 1/unit), dtypes.Int64)
	sums := runningSum(counts)
	total := SliceAxis(sums, 1, AxisElem(k-1)) // 1/unit but for the rounding of weights
	first := Min(ConvertDType(Mul(u, ConvertDType(total, u.DType())), dtypes.Int64), AddScalar(total, -1))
	at := Add(Mul(Iota(weights.Graph(), counts.Shape(), 1), total), first)
	return firstAbove(MulScalar(sums, k), at)
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
