package train

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"

	"github.com/gomlx/compute"

	"github.com/scoresde/scoresde/pkg/run"
)

// resolved is the config of a run's folder.
type resolved struct {
	Recipe
	ID      string
	Version int    // recipeVersion
	What    string // the parts, for people
}

// tableNames are the data sets of a run in its manifest.
var tableNames = []string{"data", "given"}

func (t *training) options(b compute.Backend) run.Options {
	sums := map[string]string{}
	for k, table := range t.tables {
		h := sha256.New()
		hashTable(h, table)
		sums[tableNames[k]] = fmt.Sprintf("%x", h.Sum(nil))
	}
	return run.Options{Seeds: []int64{t.Seed}, Data: sums, Backend: b.String(), Device: b.Description()}
}

// claim makes this process the only one at work on the run. While another is, claim waits for it, and loads the run if
// that one finishes it.
func (t *training) claim(ctx context.Context, options run.Options) error {
	config := resolved{Recipe: t.Recipe, ID: t.id, Version: recipeVersion, What: t.what}
	for told := false; ; told = true {
		var err error
		t.trial, err = run.Open(ctx, t.course.Dir, config, options)
		if !errors.Is(err, run.ErrRunning) {
			return err
		}
		if !told {
			fmt.Fprintf(os.Stderr, "scoresde: waiting: %v\n", err)
		}
		release, err := run.Lock(ctx, t.course.Dir, true)
		if err != nil {
			return err
		}
		_, err = t.load(true)
		if err := errors.Join(err, release()); err != nil || t.course.Loaded {
			return err
		}
	}
}

// finish ends the work on the run with the error that it came to.
func (t *training) finish(err error) error {
	err = errors.Join(err, t.saver.Wait())
	return errors.Join(err, t.trial.Close(err))
}
