package noise

import (
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
)

// State makes a state of GoMLX's generator for a stream of a seed, so that nothing shares noise. GoMLX's own
// RNGStateFromSeed gives equal states to seeds that are equal modulo 2^31-1.
func State(seed int64, stream uint64) *tensors.Tensor {
	source := rand.NewPCG(uint64(seed), stream)
	state := make([]uint64, RNGStateShape.Size())
	for i := range state {
		state[i] = source.Uint64()
	}
	return tensors.FromValue(state)
}
