// Package noise is where the random numbers inside graphs come from. They have no state: each number is a function of its
// seed, its step, the number of its draw within the step and its place in the batch (Salmon et al. 2011, doi
// 10.1145/2063384.2063405). So the same seed gives the same numbers on every engine and, to rounding, in every precision, and
// those of sample i are the same however many samples there are.
package noise

import (
	"fmt"
	"math"
	"math/rand/v2"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// Source gives the random numbers of one step. Every call draws new ones; those of a shape [B, ...] begin with those of any
// smaller batch.
type Source interface {
	// Normal are independent N(0, 1) numbers of a shape with a float type.
	Normal(shape shapes.Shape) *Node
	// Uniform are independent uniform numbers in [0, 1) of a shape with a float type.
	Uniform(shape shapes.Shape) *Node
	// Below are independent uniform int32 numbers in [0, n) of the shape dims, 1 <= n.
	Below(n int, dims ...int) *Node
	// Again is a source that draws what this one draws from here on: common random numbers.
	Again() Source
}

// Key is the key of a stream of a seed, uint32 [2]: what At takes. Streams of a seed share no numbers.
func Key(seed int64, stream uint64) *tensors.Tensor {
	word := rand.NewPCG(uint64(seed), stream).Uint64()
	return tensors.FromValue([]uint32{uint32(word), uint32(word >> 32)})
}

// At is the source of a step, an int32 scalar, under a key, uint32 [2]. A nil step is 0.
func At(key, step *Node) Source {
	first, second := Squeeze(SliceAxis(key, 0, AxisElem(0))), Squeeze(SliceAxis(key, 0, AxisElem(1)))
	if step != nil {
		first = Add(first, ConvertDType(step, dtypes.Uint32))
	}
	return &counter{key: [2]*Node{first, second}}
}

// Once is the source of a seed for a graph that is no step of anything.
func Once(g *Graph, seed int64) Source {
	return At(Const(g, Key(seed, 0)), nil)
}

// counter counts the draws of a step while its graph is built.
type counter struct {
	key   [2]*Node // scalars
	draws uint32
}

// Again implements Source.
func (c *counter) Again() Source { return &counter{c.key, c.draws} }

// words are two random words for each place of a shape: Threefry-2x32 at the counter (place, draw).
func (c *counter) words(dims []int) (a, b *Node) {
	g, size := c.key[0].Graph(), shapes.Make(dtypes.Uint32, dims...).Size()
	if uint64(size) > math.MaxUint32 {
		panic(fmt.Errorf("noise: a draw of the shape %v, want at most 2^32 numbers", dims))
	}
	place := Reshape(Iota(g, shapes.Make(dtypes.Uint32, size), 0), dims...)
	draw := Const(g, c.draws)
	c.draws++
	return threefry(c.key, [2]*Node{place, draw})
}

// Normal is the method of Box and Muller, whose angle may be taken from a half turn: sin(pi v), v uniform in [-1/2, 1/2), has
// the law of the cosine of a uniform angle.
func (c *counter) Normal(shape shapes.Shape) *Node {
	dtype := computed(shape.DType)
	a, b := c.words(shape.Dimensions)
	u, v, least := scaled(a, dtype), scaled(Bitcast(b, dtypes.Int32), dtype), 0x1p-33
	if dtype == dtypes.Float64 { // the same numbers with more digits
		a, b = c.words(shape.Dimensions)
		u, v, least = Add(u, MulScalar(scaled(a, dtype), 0x1p-32)), Add(v, MulScalar(scaled(b, dtype), 0x1p-32)), 0x1p-65
	}
	z := Mul(Sqrt(MulScalar(Log(AddScalar(u, least)), -2)), sinPi(v))
	return StopGradient(ConvertDType(z, shape.DType))
}

// Uniform are multiples of 2^-24, or of 2^-53 in float64.
func (c *counter) Uniform(shape shapes.Shape) *Node {
	dtype := computed(shape.DType)
	a, b := c.words(shape.Dimensions)
	if dtype == dtypes.Float64 {
		low := scaled(BitwiseShiftRightLogicalScalar(b, uint32(11)), dtype)
		return StopGradient(Add(scaled(a, dtype), MulScalar(low, 0x1p-21)))
	}
	high := BitwiseShiftRightLogicalScalar(a, uint32(8))
	return StopGradient(ConvertDType(MulScalar(scaled(high, dtype), 0x1p8), shape.DType))
}

// Below takes the high word of the product with n: its probabilities differ from 1/n by at most 2^-32.
func (c *counter) Below(n int, dims ...int) *Node {
	a, _ := c.words(dims)
	product := Mul(ConvertDType(a, dtypes.Uint64), Const(a.Graph(), uint64(n)))
	return ConvertDType(BitwiseShiftRightLogicalScalar(product, uint64(32)), dtypes.Int32)
}

// computed is the type in which numbers of a type are made.
func computed(dtype dtypes.DType) dtypes.DType {
	if dtype == dtypes.Float64 {
		return dtype
	}
	return dtypes.Float32
}

// scaled are words times 2^-32.
func scaled(words *Node, dtype dtypes.DType) *Node {
	return MulScalar(ConvertDType(words, dtype), 0x1p-32)
}

// sinPi is sin(pi v) for |v| <= 1/2: its Taylor series, whose error there is below rounding.
func sinPi(v *Node) *Node {
	s, terms := Square(v), 7
	if v.DType() == dtypes.Float64 {
		terms = 12
	}
	var sum *Node
	for k := terms - 1; k >= 0; k-- {
		c := math.Pow(math.Pi, float64(2*k+1)) / math.Gamma(float64(2*k+2))
		if k%2 == 1 {
			c = -c
		}
		if sum == nil {
			sum = MulScalar(OnesLike(s), c)
		} else {
			sum = AddScalar(Mul(sum, s), c)
		}
	}
	return Mul(v, sum)
}
