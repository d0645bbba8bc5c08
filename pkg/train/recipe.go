// Package train fits scores and classifiers: one call trains a network on noised data, shows its progress, keeps
// checkpoints, and on the next call loads what it finished.
package train

import (
	"fmt"
	"math"
	"strings"

	"github.com/scoresde/scoresde/pkg/score"
)

// Recipe says how a network is trained, whatever its loss.
type Recipe struct {
	Name         string  // of the run's folder
	Steps        int     // optimiser steps, 500 for a first look at 2-D data, 12 000 for a close fit
	Batch        int     // examples per step, drawn with replacement
	LearningRate float64 // Adam's, after the warm-up
	WarmUp       int     // steps of linear warm-up; the rate then falls to 0 along a cosine
	ClipNorm     float64 // bound on the global norm of the gradient; 0: none
	EMA          float64 // decay of the average of the weights, in [0, 1), after a ramp; 0 keeps the last weights
	Seed         int64   // of initial weights, batches, times and noise; every number has its own
}

// defaultRecipe is what Default and ClassifierDefault share.
func defaultRecipe(name string) Recipe {
	return Recipe{Name: name, Steps: 12000, Batch: 500, LearningRate: 1e-3, WarmUp: 1000, ClipNorm: 1, EMA: 0.999, Seed: 1}
}

// Over is the recipe for so many steps, of which at most a tenth warm up.
func (r Recipe) Over(steps int) Recipe {
	r.Steps, r.WarmUp = steps, min(r.WarmUp, steps/10)
	return r
}

// Validate names the first field that cannot be used.
func (r Recipe) Validate() error {
	switch {
	case r.Name == "" || strings.ContainsAny(r.Name, `/\`) || strings.HasPrefix(r.Name, "."):
		return unusable("Name", fmt.Sprintf("%q", r.Name), "a name for the run's folder, without slashes and no dot first")
	case r.Steps < 1:
		return unusable("Steps", r.Steps, ">= 1")
	case r.Batch < 1:
		return unusable("Batch", r.Batch, ">= 1")
	case !(r.LearningRate > 0) || math.IsInf(r.LearningRate, 0):
		return unusable("LearningRate", r.LearningRate, "> 0 and finite")
	case r.WarmUp < 0:
		return unusable("WarmUp", r.WarmUp, ">= 0")
	case !(r.ClipNorm >= 0) || math.IsInf(r.ClipNorm, 0):
		return unusable("ClipNorm", r.ClipNorm, ">= 0")
	case !(r.EMA >= 0 && r.EMA < 1):
		return unusable("EMA", r.EMA, "in [0, 1)")
	}
	return nil
}

// Rate is the learning rate of step i, counted from 0.
func (r Recipe) Rate(i int) float64 {
	if i < r.WarmUp {
		return r.LearningRate * float64(i+1) / float64(r.WarmUp)
	}
	done := float64(i-r.WarmUp) / math.Max(1, float64(r.Steps-r.WarmUp))
	return r.LearningRate * (1 + math.Cos(math.Pi*done)) / 2
}

// folder names what the run with that id leaves: its folder, and the scope of its variables, which makes any number of
// trained models fit into one graph.
func (r Recipe) folder(id string) string { return r.Name + "-" + id }

func unusable(field string, got any, want string) error {
	return fmt.Errorf("train: %s = %v, want %s", field, got, want)
}

// checkNet refuses a network that is missing or says of itself that it cannot be built.
func checkNet(net score.Net) error {
	if net == nil {
		return unusable("Net", net, "a network")
	}
	if v, ok := net.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return fmt.Errorf("train: Net: %w", err)
		}
	}
	return nil
}
