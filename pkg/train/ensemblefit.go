package train

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/run"
)

// FitAll trains the scores of all configurations side by side in one executable and returns them; Compatible says which
// ones can be members of one ensemble. Training is denoising score matching as Fit's with random numbers of its own, which
// depend on a member's seed alone: a member of many is, up to the rounding of the matrix products, what it is alone, in
// whatever place. A member whose loss or gradient stops being finite stands still from that step on, and the others go on.
//
// FitAll is idempotent and goes on after an interruption as Fit does, to the last bit. To train several ensembles use one
// Trainer.
func FitAll(ctx context.Context, cfgs []Config, data mat.Matrix, set Settings) (*Ensemble, error) {
	return NewTrainer(set.Backend).Fit(ctx, cfgs, data, set)
}

// Fit is FitAll on the trainer's executables. set.Backend has to be nil or the trainer's.
func (t *Trainer) Fit(ctx context.Context, cfgs []Config, data mat.Matrix, set Settings) (*Ensemble, error) {
	if set.Backend != nil && set.Backend != t.backend {
		return nil, errors.New("train: Settings.Backend is another than the trainer's, want nil")
	}
	if err := compatible(cfgs); err != nil {
		return nil, err
	}
	std, err := checkData(data)
	if err != nil {
		return nil, err
	}
	id, err := ensembleID(cfgs, data)
	if err != nil {
		return nil, err
	}
	if set.Dir == "" {
		set.Dir = filepath.Join(run.Results(), "runs")
	}
	if set.CheckpointEvery < 0 {
		return nil, unusable("CheckpointEvery", set.CheckpointEvery, ">= 0")
	}
	a := &assembly{Settings: set, cfgs: cfgs, id: id, dir: filepath.Join(set.Dir, "ensemble-"+id)}
	loaded, err := a.load()
	if err != nil {
		return nil, err
	}
	if !loaded {
		if loaded, err = t.work(ctx, a, std, data); err != nil {
			return nil, err
		}
	}
	return a.finished(std, loaded)
}

// ensembleID identifies the members, in order, and the data.
func ensembleID(cfgs []Config, data mat.Matrix) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "ensemble %d\n", ensembleVersion)
	seen := map[string]int{}
	for k, c := range cfgs {
		id, err := c.id()
		if err != nil {
			return "", err
		}
		if first, twice := seen[id]; twice {
			return "", fmt.Errorf("train: members %d and %d are the same, want each once", first, k)
		}
		seen[id] = k
		fmt.Fprintln(h, id)
	}
	return Recipe{}.id(h, []mat.Matrix{data}), nil
}

// ensembleVersion changes when the same configurations would train something else.
const ensembleVersion = 1
