package run

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"slices"
)

// Empty removes all that attempts have left in the folder of a run, so that the next one begins from scratch, unless the
// run is in another state than the one given. It holds the lock meanwhile; the error wraps ErrRunning where another does.
func Empty(ctx context.Context, dir string, state State) error {
	release, err := Lock(ctx, dir, false)
	if err != nil {
		return err
	}
	status, err := ReadStatus(dir)
	if err == nil && status.State == state {
		err = removeAllBut(dir, lockFile, guardFile)
	}
	return errors.Join(err, release())
}

func removeAllBut(dir string, kept ...string) error {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if !slices.Contains(kept, e.Name()) {
			if err := os.RemoveAll(filepath.Join(dir, e.Name())); err != nil {
				return err
			}
		}
	}
	return nil
}
