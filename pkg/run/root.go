// Package run owns the folders in which work leaves its results: config, manifest, status, metrics and lock of a run, and
// the checkpoints from which it goes on.
package run

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
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

// Results is the folder of results: SCORESDE_RESULTS, which counts from Root where it is relative, because notebook cells run
// in their own folder; else results under Root, where that is the laboratory's own module or SCORESDE_ROOT; else, for programs
// of other modules, into which nothing is written unasked, scoresde/results in the user's cache folder.
func Results() string {
	dir, root := os.Getenv("SCORESDE_RESULTS"), Root()
	switch {
	case filepath.IsAbs(dir):
		return dir
	case dir != "":
		return filepath.Join(root, dir)
	case os.Getenv("SCORESDE_ROOT") != "" || isLaboratory(root):
		return filepath.Join(root, "results")
	}
	cache, err := os.UserCacheDir()
	if err != nil { // no home
		cache = os.TempDir()
	}
	return filepath.Join(cache, "scoresde", "results")
}

// isLaboratory tells whether a folder holds this module.
func isLaboratory(dir string) bool {
	text, _ := os.ReadFile(filepath.Join(dir, "go.mod")) // of a missing file nothing
	return slices.Contains(strings.Split(string(text), "\n"), "module github.com/scoresde/scoresde")
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
