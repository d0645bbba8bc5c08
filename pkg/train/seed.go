package train

import (
	"math/rand/v2"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// Streams of a seed: nothing shares random numbers.
const (
	weightsStream = iota // the initial weights
	stepsStream          // batches, times and noise
)

// seed starts the random numbers of a new store, from which initial weights come. GoMLX's own way, RNGStateFromSeed, gives
// equal states to seeds that are equal modulo 2^31-1, and to 0 and 89482311.
func (r Recipe) seed(store *model.Store) error {
	if err := store.SetRNGStateFromSeed(r.Seed); err != nil { // makes the variable
		return err
	}
	source := rand.NewPCG(uint64(r.Seed), weightsStream)
	state := tensors.FromValue([]uint64{source.Uint64(), source.Uint64(), source.Uint64()})
	return store.GetVariable(model.JoinPath("/", model.RNGStateVariableName)).SetValue(state)
}
