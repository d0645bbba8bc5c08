package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/google/renameio/v2"
)

// State says how a run stands.
type State string

// States of a run.
const (
	Running     State = "running"
	Done        State = "done"
	Failed      State = "failed"
	Interrupted State = "interrupted" // by a signal, the end of a context, or the death of its process
)

// Status is the content of status.json.
type Status struct {
	State    State     `json:"state"`
	Error    string    `json:"error,omitempty"` // of the last attempt, if it failed or was interrupted
	Retry    bool      `json:"retry"`           // another attempt may succeed
	Attempts int       `json:"attempts"`        // times that the run was opened, >= 1
	Started  time.Time `json:"started"`         // of the last attempt
	Ended    time.Time `json:"ended,omitzero"`  // zero while it is running
	Seconds  float64   `json:"seconds"`         // of all attempts that have ended by themselves
	Host     string    `json:"host"`            // of the last attempt, as PID
	PID      int       `json:"pid"`
}

const (
	statusFile = "status.json"
	maxStatus  = 1 << 20 // bytes
)

// ReadStatus returns how the run in dir stands; the error is fs.ErrNotExist where there is none. A run whose process has
// died or shows no sign of life reads as Interrupted.
func ReadStatus(dir string) (Status, error) {
	blob, err := readSmall(filepath.Join(dir, statusFile), maxStatus)
	if err != nil {
		return Status{}, fmt.Errorf("run: status: %w", err)
	}
	s, err := decodeStatus(blob)
	if err != nil {
		return Status{}, fmt.Errorf("run: %s: %w", filepath.Join(dir, statusFile), err)
	}
	if s.State != Running {
		return s, nil
	}
	h, age, err := readHolder(dir)
	switch {
	case errors.Is(err, os.ErrNotExist):
		if again, err := readSmall(filepath.Join(dir, statusFile), maxStatus); err == nil && !bytes.Equal(again, blob) {
			return ReadStatus(dir) // it ended between the two looks
		}
	case err != nil:
		return Status{}, fmt.Errorf("run: status: %w", err)
	case !h.stale(age):
		return s, nil
	}
	s.State, s.Retry, s.Error = Interrupted, true, "its process ended without a word"
	return s, nil
}

func decodeStatus(blob []byte) (Status, error) {
	var s Status
	if err := json.Unmarshal(blob, &s); err != nil {
		return Status{}, err
	}
	switch {
	case !slices.Contains([]State{Running, Done, Failed, Interrupted}, s.State):
		return Status{}, fmt.Errorf("state is %q, want running, done, failed or interrupted", s.State)
	case s.Attempts < 1:
		return Status{}, fmt.Errorf("attempts is %d, want >= 1", s.Attempts)
	case !(s.Seconds >= 0):
		return Status{}, fmt.Errorf("seconds is %g, want >= 0", s.Seconds)
	}
	return s, nil
}

func (s Status) write(dir string) error { return writeJSON(filepath.Join(dir, statusFile), s) }

// writeJSON replaces a file whole or not at all.
func writeJSON(path string, v any) error {
	blob, err := json.MarshalIndent(v, "", " ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, append(blob, '\n'), 0o644)
}
