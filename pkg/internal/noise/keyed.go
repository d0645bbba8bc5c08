package noise

import (
	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
)

// Streams is the number of independent streams of a key.
const Streams = 8

// Words are n pairs of random uint32 words for each of K keys, [K, n]: Threefry-2x32-20 at the counter (index, step and
// stream). keys is [K, 2] uint32, step a scalar int32 below 2^29, stream in [0, Streams). There is no state: what a key
// draws depends on no other key, and on no draw before. The same numbers come out on every backend.
func Words(keys, step *Node, stream, n int) (a, b *Node) {
	g := keys.Graph()
	key := func(k int) *Node { return SliceAxis(keys, -1, AxisElem(k)) }
	index := Iota(g, shapes.Make(dtypes.Uint32, 1, n), 1)
	count := Add(Mul(ConvertDType(step, dtypes.Uint32), Const(g, uint32(Streams))), Const(g, uint32(stream)))
	return threefry([2]*Node{key(0), key(1)}, [2]*Node{index, Reshape(count, 1, 1)})
}

// KeyedNormal are n N(0, 1) float32 numbers for each of K keys, [K, n]; arguments as those of Words.
func KeyedNormal(keys, step *Node, stream, n int) *Node {
	return boxMuller(Words(keys, step, stream, n))
}

// Uniform turns words into float32 numbers in [0, 1), multiples of 2^-24.
func Uniform(words *Node) *Node {
	high := ConvertDType(BitwiseShiftRightLogicalScalar(words, uint32(8)), dtypes.Float32)
	return Mul(high, Const(words.Graph(), float32(1.0/(1<<24))))
}

// Below turns words into int32 numbers in [0, n): the high word of the product with n, whose probabilities differ from 1/n
// by at most 2^-32.
func Below(words *Node, n int) *Node {
	g := words.Graph()
	product := Mul(ConvertDType(words, dtypes.Uint64), Const(g, uint64(n)))
	return ConvertDType(BitwiseShiftRightLogicalScalar(product, uint64(32)), dtypes.Int32)
}

// Key are the two words of the key of a seed, the lower one first.
func Key(seed int64) [2]uint32 { return [2]uint32{uint32(seed), uint32(uint64(seed) >> 32)} }
