package train

import (
	"fmt"

	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Config says what score is trained and how. Everything in it but the name is part of the run's identity.
type Config struct {
	Recipe
	Objective       objective.ScoreMatching
	Parametrisation score.Parametrisation
	Net             score.Net

	// Drop is the probability, in [0, 1), that Fit replaces the condition of an example by zeros, from which the
	// network learns the unconditional score too (classifier-free guidance, Ho and Salimans 2022, arXiv 2207.12598,
	// Algorithm 1).
	Drop float64
}

// Default is the setting that meets the Fisher bounds on two-dimensional mixtures: a preconditioned network, Adam with
// warm-up and cosine, EMA. Change what you study.
func Default(name string, s sde.SDE, net score.Net) Config {
	return Config{
		Recipe:          defaultRecipe(name),
		Objective:       objective.DSM{SDE: s, Time: objective.Stratified{}},
		Parametrisation: score.EDM,
		Net:             net,
	}
}

// Validate names the first field that cannot be used.
func (c Config) Validate() error {
	if err := c.Recipe.Validate(); err != nil {
		return err
	}
	if err := checkNet(c.Net); err != nil {
		return err
	}
	if !(c.Drop >= 0 && c.Drop < 1) {
		return unusable("Drop", c.Drop, "in [0, 1)")
	}
	if err := c.Parametrisation.Validate(); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	if c.Objective == nil {
		return unusable("Objective", c.Objective, "an objective")
	}
	if err := c.Objective.Validate(); err != nil {
		return fmt.Errorf("train: %w", err)
	}
	return nil
}
