package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// ErrNoCheckpoint says that there is nothing to go on from.
var ErrNoCheckpoint = errors.New("run: no checkpoint")

// Load fills an empty store from the newest checkpoint in dir that is whole and decodes its info into info (a pointer,
// or nil). A damaged one is passed over with a line on stderr. It returns ErrNoCheckpoint, and leaves store and info
// alone, if there is none.
func Load(dir string, store *model.Store, info any) (step int, err error) {
	if n := store.NumVariables(); n != 0 {
		return 0, fmt.Errorf("run: Load got a store with %d variables, want an empty one", n)
	}
	for _, name := range checkpoints(dir) {
		state, values, err := read(filepath.Join(dir, name))
		if err != nil {
			fmt.Fprintf(os.Stderr, "scoresde: passing over checkpoint %s: %v\n", name, err)
			continue
		}
		if info != nil && state.Info != nil {
			if err := json.Unmarshal(state.Info, info); err != nil {
				return 0, fmt.Errorf("run: info of checkpoint %s: %w", name, err)
			}
		}
		return state.Step, fill(store, state.Variables, values)
	}
	return 0, ErrNoCheckpoint
}

// read verifies and reads a whole checkpoint before anything of it is used.
func read(dir string) (state savedState, values []*tensors.Tensor, err error) {
	if err := verify(dir); err != nil {
		return state, nil, err
	}
	blob, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return state, nil, err
	}
	if err := json.Unmarshal(blob, &state); err != nil {
		return state, nil, err
	}
	if state.Step < 0 {
		return state, nil, fmt.Errorf("%s: step is %d, want >= 0", stateFile, state.Step)
	}
	if values, err = readVariables(dir, state.Variables); err != nil {
		return state, nil, err
	}
	return state, values, fill(model.NewStore(), state.Variables, values) // names that no store takes
}

func fill(store *model.Store, variables []savedVariable, values []*tensors.Tensor) error {
	for k, s := range variables {
		v, err := store.CreateVariable(s.Path, values[k])
		if err != nil {
			return fmt.Errorf("run: variable %s: %w", s.Path, err)
		}
		v.SetTrainable(s.Trainable)
	}
	return nil
}
