// Package ablation is the experiment of the laboratory's sweeps: it trains a score on a law that is known exactly,
// samples with it, and measures the samples against that law, beside those of the same sampler with the exact score.
// Command and notebooks share it, and notebooks the reference runs on four Gaussians.
package ablation

import (
	"fmt"
	"math"

	"github.com/scoresde/scoresde/pkg/run"
)

// Config is one trial. Names are those that the errors of Validate list.
type Config struct {
	Law  string `toml:"law"`
	Data int    `toml:"data"` // examples to train on, drawn from the law

	Process  string  `toml:"process"`
	SigmaMin float64 `toml:"sigma_min"` // of ve and edm
	SigmaMax float64 `toml:"sigma_max"`
	BetaMin  float64 `toml:"beta_min"` // of vp and sub-vp
	BetaMax  float64 `toml:"beta_max"`

	Weighting       string  `toml:"weighting"`
	Times           string  `toml:"times"`
	Parametrisation string  `toml:"parametrisation"`
	Width           int     `toml:"width"` // of the network's hidden layers
	Depth           int     `toml:"depth"` // hidden layers
	Steps           int     `toml:"steps"` // of the training
	Batch           int     `toml:"batch"`
	LearningRate    float64 `toml:"learning_rate"`
	EMA             float64 `toml:"ema"`
	Seed            int64   `toml:"seed"` // of training and sampling

	Predictor      string  `toml:"predictor"`
	Corrector      string  `toml:"corrector"`
	Corrections    int     `toml:"corrections"` // corrector steps per time, where there is a corrector
	CorrectorFirst bool    `toml:"corrector_first"`
	SNR            float64 `toml:"snr"` // of the corrector
	N              int     `toml:"n"`   // steps of the sampler
	Schedule       string  `toml:"schedule"`
	Samples        int     `toml:"samples"`
}

// Default is the laboratory's reference, the four Gaussians under VE with sigma from 0.01 to 4, trained for fewer steps, and
// the predictor-corrector sampler of Song et al. (2021, arXiv 2011.13456, Algorithm 2) in its default setting.
func Default() Config {
	return Config{
		Law: "four-gaussians", Data: 50000,
		Process: "ve", SigmaMin: 0.01, SigmaMax: 4, BetaMin: 0.1, BetaMax: 20,
		Weighting: "sigma2", Times: "stratified", Parametrisation: "edm",
		Width: 128, Depth: 3, Steps: 4000, Batch: 500, LearningRate: 1e-3, EMA: 0.999, Seed: 1,
		Predictor: "reverse-diffusion", Corrector: "langevin", Corrections: 1, SNR: 0.16,
		N: 200, Schedule: "default", Samples: 10000,
	}
}

// Validate names the first field that cannot be used. It starts no work.
func (c Config) Validate() error {
	_, err := c.resolved()
	return err
}

// checkNumbers refuses what the parts do not refuse themselves.
func (c Config) checkNumbers() error {
	for _, f := range []struct {
		name  string
		value int
		low   int
	}{{"data", c.Data, 2}, {"n", c.N, 1}, {"samples", c.Samples, 2}, {"corrections", c.Corrections, 1}, {"width", c.Width, 1}, {"depth", c.Depth, 1}} {
		if f.value < f.low || f.value > maxSize {
			return fmt.Errorf("ablation: %s = %d, want %d to %d", f.name, f.value, f.low, maxSize)
		}
	}
	if !(c.LearningRate > 0) || math.IsInf(c.LearningRate, 0) {
		return fmt.Errorf("ablation: learning_rate = %g, want > 0 and finite", c.LearningRate)
	}
	return nil
}

// maxSize is a bound on sizes that no trial of a sweep needs, so that a slip does not take all memory.
const maxSize = 100_000_000

// named is a choice of a field.
type named[T any] struct {
	name  string
	value T
}

// pick finds the choice called name.
func pick[T any](field, name string, choices []named[T]) (T, error) {
	names := make([]string, len(choices))
	for i, c := range choices {
		if c.name == name {
			return c.value, nil
		}
		names[i] = c.name
	}
	var zero T
	return zero, fmt.Errorf("ablation: %w", run.Unknown(field, name, names...))
}
