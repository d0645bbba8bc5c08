// Package train fits scores: one call trains a network by denoising score matching, shows its progress, keeps
// checkpoints, and on the next call loads what it finished.
package train

import (
	"errors"
	"fmt"
	"math"
	"strings"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Config says what is trained and how. Everything in it is part of the run's identity.
type Config struct {
	Name            string // of the run's folder
	Objective       objective.DSM
	Parametrisation score.Parametrisation
	Net             score.Net
	Steps           int     // optimiser steps
	Batch           int     // examples per step, drawn with replacement
	LearningRate    float64 // Adam's, after the warm-up
	WarmUp          int     // steps of linear warm-up; the rate then falls to 0 along a cosine
	ClipNorm        float64 // bound on the global norm of the gradient; 0: none
	EMA             float64 // decay of the average of the weights, in [0, 1); 0 keeps the last weights
	Seed            int64
}

// Default is the setting that meets the Fisher bounds on two-dimensional mixtures: a preconditioned network, Adam with
// warm-up and cosine, EMA. Change what you study.
func Default(name string, s sde.SDE, net score.Net) Config {
	return Config{
		Name:            name,
		Objective:       objective.DSM{SDE: s, Time: objective.Stratified{}},
		Parametrisation: score.EDM,
		Net:             net,
		Steps:           12000, Batch: 500, LearningRate: 1e-3, WarmUp: 1000, ClipNorm: 1, EMA: 0.999, Seed: 1,
	}
}

// Validate names the first field that cannot be used.
func (c Config) Validate() error {
	bad := func(field string, got any, want string) error {
		return fmt.Errorf("train: %s = %v, want %s", field, got, want)
	}
	switch {
	case c.Name == "" || strings.ContainsAny(c.Name, `/\`) || strings.HasPrefix(c.Name, "."):
		return bad("Name", fmt.Sprintf("%q", c.Name), "a name for the run's folder, without slashes and no dot first")
	case c.Net == nil:
		return bad("Net", c.Net, "a network")
	case c.Steps < 1:
		return bad("Steps", c.Steps, ">= 1")
	case c.Batch < 1:
		return bad("Batch", c.Batch, ">= 1")
	case !(c.LearningRate > 0) || math.IsInf(c.LearningRate, 0):
		return bad("LearningRate", c.LearningRate, "> 0 and finite")
	case c.WarmUp < 0:
		return bad("WarmUp", c.WarmUp, ">= 0")
	case !(c.ClipNorm >= 0) || math.IsInf(c.ClipNorm, 0):
		return bad("ClipNorm", c.ClipNorm, ">= 0")
	case !(c.EMA >= 0 && c.EMA < 1):
		return bad("EMA", c.EMA, "in [0, 1)")
	}
	if v, ok := c.Net.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return fmt.Errorf("train: Net: %w", err)
		}
	}
	if err := c.Parametrisation.Validate(); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if err := c.Objective.Validate(); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}

// Rate is the learning rate of step i, counted from 0.
func (c Config) Rate(i int) float64 {
	if i < c.WarmUp {
		return c.LearningRate * float64(i+1) / float64(c.WarmUp)
	}
	done := float64(i-c.WarmUp) / math.Max(1, float64(c.Steps-c.WarmUp))
	return c.LearningRate * (1 + math.Cos(math.Pi*done)) / 2
}

// checkData refuses data that would only fail, or silently spoil the weights, later. It returns the standard deviation
// over all coordinates about 0, which preconditioning needs.
func checkData(data mat.Matrix) (std float64, err error) {
	if data == nil {
		return 0, errors.New("train: no data, want a matrix [n, d] with one example per row")
	}
	n, d := data.Dims()
	if n == 0 || d == 0 {
		return 0, fmt.Errorf("train: data is %d x %d, want at least one example and one coordinate", n, d)
	}
	sum := 0.0
	for i := range n {
		for k := range d {
			v := data.At(i, k)
			if !(math.Abs(v) <= math.MaxFloat32) {
				return 0, fmt.Errorf("train: data row %d, column %d is %g, want numbers that float32 holds", i, k, v)
			}
			sum += v * v
		}
	}
	std = math.Sqrt(sum / float64(n*d))
	if !(std > 1e-18 && std < 1e18) { // its square must be a float32 too
		return 0, fmt.Errorf("train: the root mean square of the data is %g, want it in [1e-18, 1e18]; rescale the data", std)
	}
	return std, nil
}
