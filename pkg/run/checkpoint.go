package run

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/checkpoint"
)

// A checkpoint is a folder step-NNNNNNNNN with GoMLX's files of the variables and state.json. It comes into being under
// another name and is renamed when complete, so that whatever has the name is whole.
const (
	checkpointPrefix = "step-"
	stateFile        = "state.json"
	keptCheckpoints  = 2
)

// savedState is what GoMLX's files do not hold.
type savedState struct {
	Step      int      `json:"step"`
	Trainable []string `json:"trainable"` // paths of the variables that training changes; GoMLX does not save the flag
	Info      any      `json:"info,omitempty"`
}

// Save writes the variables of store and info (anything that JSON can hold) as the checkpoint of a step, and removes all
// but the newest two.
func Save(dir string, store *model.Store, step int, info any) (err error) {
	if err := Folder(dir); err != nil {
		return err
	}
	temp, err := os.MkdirTemp(dir, ".checkpoint-*")
	if err != nil {
		return fmt.Errorf("run: checkpoint: %w", err)
	}
	defer os.RemoveAll(temp)
	handler, err := checkpoint.Build(store).Dir(temp).Keep(-1).Done()
	if err == nil {
		err = handler.Save()
	}
	if err != nil {
		return fmt.Errorf("run: checkpoint of step %d: %w", step, err)
	}
	state := savedState{Step: step, Info: info}
	for v := range store.IterVariables() {
		if v.Trainable {
			state.Trainable = append(state.Trainable, v.Path())
		}
	}
	blob, err := json.Marshal(state)
	if err != nil {
		return fmt.Errorf("run: checkpoint of step %d: %w", step, err)
	}
	if err := os.WriteFile(filepath.Join(temp, stateFile), blob, 0o644); err != nil {
		return fmt.Errorf("run: checkpoint of step %d: %w", step, err)
	}
	final := filepath.Join(dir, fmt.Sprintf("%s%09d", checkpointPrefix, step))
	if err := os.RemoveAll(final); err != nil {
		return fmt.Errorf("run: checkpoint of step %d: %w", step, err)
	}
	if err := os.Rename(temp, final); err != nil {
		return fmt.Errorf("run: checkpoint of step %d: %w", step, err)
	}
	return prune(dir)
}

func prune(dir string) error {
	names := checkpoints(dir)
	for len(names) > keptCheckpoints {
		last := len(names) - 1
		if err := os.RemoveAll(filepath.Join(dir, names[last])); err != nil {
			return fmt.Errorf("run: old checkpoint: %w", err)
		}
		names = names[:last]
	}
	return nil
}

// checkpoints lists the names of the checkpoints in dir, newest first.
func checkpoints(dir string) []string {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil
	}
	var names []string
	for _, e := range entries {
		if e.IsDir() && strings.HasPrefix(e.Name(), checkpointPrefix) {
			names = append(names, e.Name())
		}
	}
	slices.Sort(names)
	slices.Reverse(names)
	return names
}

// ErrNoCheckpoint says that there is nothing to go on from.
var ErrNoCheckpoint = errors.New("run: no checkpoint")

// Load fills an empty store from the newest checkpoint in dir that can be read and decodes its info into info (a
// pointer, or nil). An unreadable one is passed over with a line on stderr. It returns ErrNoCheckpoint if there is none.
func Load(dir string, store *model.Store, info any) (step int, err error) {
	for _, name := range checkpoints(dir) {
		step, err := loadOne(filepath.Join(dir, name), store, info)
		if err == nil {
			return step, nil
		}
		fmt.Fprintf(os.Stderr, "scoresde: passing over checkpoint %s: %v\n", name, err)
	}
	return 0, ErrNoCheckpoint
}

func loadOne(dir string, store *model.Store, info any) (step int, err error) {
	blob, err := os.ReadFile(filepath.Join(dir, stateFile))
	if err != nil {
		return 0, err
	}
	state := savedState{Info: info}
	if err := json.Unmarshal(blob, &state); err != nil {
		return 0, err
	}
	handler, err := checkpoint.Load(model.NewStore()).Dir(dir).Done()
	if err != nil {
		return 0, err
	}
	values := handler.LoadedVariables()
	if len(values) == 0 {
		return 0, errors.New("it holds no variables")
	}
	paths := make([]string, 0, len(values))
	for path := range values {
		paths = append(paths, path)
	}
	slices.Sort(paths) // the order of creation is the order of iteration
	for _, path := range paths {
		v, err := store.CreateVariable(path, values[path])
		if err != nil {
			return 0, err
		}
		v.SetTrainable(slices.Contains(state.Trainable, path))
	}
	return state.Step, nil
}
