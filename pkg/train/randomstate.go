package train

import (
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/internal/noise"
)

// smallSeeds are the seeds, by their absolute value, that GoMLX tells apart: its RNGStateFromSeed gives equal states to
// seeds that are equal modulo 2^31-1, and to 0 and 89482311.
const smallSeeds = 1 << 20

// Streams of a seed: nothing shares random numbers.
const (
	weightsStream = iota // the initial weights
	stepsStream          // batches, times and noise
)

// randomState is the state of GoMLX's generator for a stream of a seed, other than that of any other seed. The streams
// of small seeds are GoMLX's for seed and ^seed, as in runs that exist.
func randomState(seed int64, stream uint64) (*tensors.Tensor, error) {
	if seed >= -smallSeeds && seed <= smallSeeds {
		if stream == stepsStream {
			seed = ^seed
		}
		return RNGStateFromSeed(seed)
	}
	return noise.State(seed, stream), nil
}

// seed starts the random numbers of a new store.
func (r Recipe) seed(store *model.Store) error {
	if err := store.SetRNGStateFromSeed(r.Seed); err != nil { // makes the variable
		return err
	}
	weights, err := randomState(r.Seed, weightsStream)
	if err != nil {
		return err
	}
	if err := store.GetVariable(model.JoinPath("/", model.RNGStateVariableName)).SetValue(weights); err != nil {
		return err
	}
	steps, err := randomState(r.Seed, stepsStream)
	if err != nil {
		return err
	}
	v, err := store.CreateVariable(rngPath, steps)
	if err != nil {
		return err
	}
	v.SetTrainable(false)
	return nil
}
