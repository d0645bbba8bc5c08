// Package run owns the folders in which work leaves its results: config, manifest, status, metrics and lock of a run, and
// the checkpoints from which it goes on.
package run

import (
	"fmt"
	"os"
	"path/filepath"
)

// Root is the folder of the laboratory: SCORESDE_ROOT, or the nearest folder upwards with a go.mod, or the working
// folder where there is none.
func Root() string {
	if root := os.Getenv("SCORESDE_ROOT"); root != "" {
		return root
	}
	start, err := os.Getwd()
	if err != nil {
		return "."
	}
	for dir := start; ; dir = filepath.Dir(dir) {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			return start
		}
	}
}

// Results is the folder of results: SCORESDE_RESULTS, or results under Root. A relative SCORESDE_RESULTS counts from
// Root, because notebook cells run in their own folder.
func Results() string {
	dir := os.Getenv("SCORESDE_RESULTS")
	switch {
	case dir == "":
		return filepath.Join(Root(), "results")
	case filepath.IsAbs(dir):
		return dir
	}
	return filepath.Join(Root(), dir)
}

const probePrefix = ".probe-"

// Folder makes sure that dir exists and can be written to, so that nobody computes for an hour in order to fail then.
func Folder(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("run: results folder cannot be made: %w", err)
	}
	f, err := os.CreateTemp(dir, probePrefix+"*")
	if err != nil {
		return fmt.Errorf("run: results folder cannot be written to: %w", err)
	}
	f.Close()
	return os.Remove(f.Name())
}
