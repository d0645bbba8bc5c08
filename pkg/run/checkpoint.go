package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/checkpoint"
)

// A checkpoint is a folder step-NNNNNNNNN with GoMLX's files of the variables, state.json and the checksums of both. It
// comes into being under another name and is renamed when it is complete and on the disk, so that whatever has the name
// is whole.
const (
	checkpointPrefix = "step-"
	tempPrefix       = ".checkpoint-"
	stateFile        = "state.json"
	keptCheckpoints  = 2
	staleAfter       = time.Hour // a temporary folder as old as this was left by a process that died
)

// savedState is what GoMLX's files do not hold.
type savedState struct {
	Step      int             `json:"step"`
	Variables []savedVariable `json:"variables"`
	Info      json.RawMessage `json:"info,omitempty"`
}

// savedVariable keeps the order of creation, in which a store iterates and on which sums over variables depend to the
// last bit, and the flag that GoMLX does not save.
type savedVariable struct {
	Path      string `json:"path"`
	Trainable bool   `json:"trainable"`
}

// Save writes the variables of store and info (anything that JSON can hold) as the checkpoint of step >= 0, and removes
// all but the newest two. A failed or killed Save leaves the older checkpoints as they were.
func Save(dir string, store *model.Store, step int, info any) error {
	if step < 0 {
		return fmt.Errorf("run: checkpoint of step %d, want a step >= 0", step)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("run: results folder cannot be made: %w", err)
	}
	if err := write(dir, store, step, info); err != nil {
		return fmt.Errorf("run: checkpoint of step %d: %w", step, err)
	}
	if err := prune(dir); err != nil {
		return fmt.Errorf("run: old checkpoints: %w", err)
	}
	return nil
}

func write(dir string, store *model.Store, step int, info any) error {
	temp, err := os.MkdirTemp(dir, tempPrefix+"*")
	if err != nil {
		return err
	}
	defer os.RemoveAll(temp)
	if err := os.Chmod(temp, 0o755); err != nil {
		return err
	}
	state := savedState{Step: step}
	if state.Variables, err = writeVariables(temp, store); err != nil {
		return err
	}
	if state.Info, err = json.Marshal(info); err != nil {
		return err
	}
	blob, err := json.Marshal(state)
	if err != nil {
		return err
	}
	if err := writeSynced(filepath.Join(temp, stateFile), blob); err != nil {
		return err
	}
	if err := seal(temp); err != nil {
		return err
	}
	if err := os.Rename(temp, freeName(dir, step)); err != nil {
		return err
	}
	return syncPath(dir)
}

// freeName is the folder for a step. A second checkpoint of the same step gets a name of its own, which sorts after the
// first, because replacing a folder is not atomic.
func freeName(dir string, step int) string {
	name := filepath.Join(dir, fmt.Sprintf("%s%09d", checkpointPrefix, step))
	if _, err := os.Lstat(name); err == nil {
		return fmt.Sprintf("%s.%d", name, time.Now().UnixNano())
	}
	return name
}

// writeVariables writes the variables and reads them back, because GoMLX can lose tensors without an error.
func writeVariables(dir string, store *model.Store) ([]savedVariable, error) {
	if store.NumVariables() == 0 {
		return nil, errors.New("the store holds no variables")
	}
	for v := range store.IterVariables() {
		if !v.HasValue() {
			return nil, fmt.Errorf("variable %s has no value yet", v.Path())
		}
	}
	defer store.SetLoader(store.Loader()) // the handler makes itself the store's loader
	saved, err := writeOnce(dir, store)
	if err == nil {
		return saved, nil
	}
	if err := emptied(dir); err != nil {
		return nil, err
	}
	if room := tryRoom(dir, store); room != nil {
		return nil, fmt.Errorf("%w (%w)", room, err)
	}
	return writeOnce(dir, store) // the disk was full for a moment, perhaps
}

// tryRoom writes and removes a file as large as the variables, to learn why they could not be written: GoMLX does not
// report the failures of uncompressed files. (Those of compressed ones it does, but it leaves the files open, with the
// space that they take, and weights hardly shrink for all the time that compression needs.)
func tryRoom(dir string, store *model.Store) error {
	f, err := os.CreateTemp(dir, "room-*")
	if err != nil {
		return err
	}
	defer os.Remove(f.Name())
	defer f.Close()
	for v := range store.IterVariables() {
		if _, err := f.Write(make([]byte, v.Shape().ByteSize())); err != nil {
			return err
		}
	}
	return f.Sync()
}

func emptied(dir string) error {
	if err := os.RemoveAll(dir); err != nil {
		return err
	}
	return os.Mkdir(dir, 0o755)
}

func writeOnce(dir string, store *model.Store) ([]savedVariable, error) {
	handler, err := checkpoint.Build(store).Dir(dir).Keep(-1).WithCompression(checkpoint.BinUncompressed).Done()
	if err != nil {
		return nil, err
	}
	if err := handler.Save(); err != nil {
		return nil, err
	}
	var saved []savedVariable
	for v := range store.IterVariables() { // after Save, which may add GoMLX's step counter
		saved = append(saved, savedVariable{v.Path(), v.Trainable})
	}
	values, err := readVariables(dir, saved)
	if err != nil {
		return nil, err
	}
	for k, s := range saved {
		if want := store.GetVariable(s.Path).MustValue(); !sameBits(values[k], want) {
			return nil, fmt.Errorf("variable %s reads back as another %s than was written, %s", s.Path, values[k].Shape(), want.Shape())
		}
	}
	return saved, nil
}

func sameBits(a, b *tensors.Tensor) bool {
	same := false
	read := a.ConstBytes(func(x []byte) {
		if b.ConstBytes(func(y []byte) { same = bytes.Equal(x, y) }) != nil {
			same = false
		}
	})
	return same && read == nil && a.Shape().Equal(b.Shape())
}

// readVariables returns the values of the variables named, which must be all that dir holds.
func readVariables(dir string, names []savedVariable) ([]*tensors.Tensor, error) {
	if err := checkLayout(dir); err != nil {
		return nil, err
	}
	handler, err := checkpoint.Load(model.NewStore()).Dir(dir).Done()
	if err != nil {
		return nil, err
	}
	if n := len(handler.LoadedVariables()); n != len(names) {
		return nil, fmt.Errorf("it holds %d variables, want %d", n, len(names))
	}
	values := make([]*tensors.Tensor, len(names))
	for k, name := range names {
		value, found := handler.LoadVariable(nil, name.Path)
		if !found {
			return nil, fmt.Errorf("variable %s is missing", name.Path)
		}
		values[k] = value
	}
	return values, nil
}

// prune removes all but the newest checkpoints, and what dead processes left.
func prune(dir string) error {
	names := checkpoints(dir)
	for _, name := range names[min(keptCheckpoints, len(names)):] {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return err
		}
	}
	return removeTemporary(dir, staleAfter, tempPrefix, probePrefix)
}

// removeTemporary removes what processes that died have left for at least age under names with the given prefixes.
func removeTemporary(dir string, age time.Duration, prefixes ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(e.Name(), p) }) {
			continue
		}
		if info, err := e.Info(); err != nil || time.Since(info.ModTime()) < age {
			continue // gone, or another process is at work on it
		}
		if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
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
