package score

import (
	"errors"
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Truth is a law known exactly under a process: whatever a learned score or a sampler is compared with. Its noised versions
// p_t, their scores and posteriors are closed forms.
type Truth struct {
	Law dist.Law
	SDE sde.SDE
}

// Exact is the truth of data that follow law, noised by s.
func Exact(law dist.Law, s sde.SDE) Truth { return Truth{Law: law, SDE: s} }

// Validate names what is missing.
func (u Truth) Validate() error {
	if u.Law == nil {
		return errors.New("score: Truth.Law is nil, want a law")
	}
	if err := sde.Validate(u.SDE); err != nil {
		return fmt.Errorf("score: Truth.SDE: %w", err)
	}
	return nil
}

// At is the law p_t of the noised data at time t. It panics where the process is not valid.
func (u Truth) At(t float64) dist.Law { return u.Law.Noised(sde.At(u.SDE, t)) }

// Score is the gradient of the log density of p_t, on vectors x [B, d]; Shaped gives it to examples of other shapes.
func (u Truth) Score() Func {
	return func(x, t *Node) *Node { return u.Law.Score(x, u.SDE.Alpha(t), u.SDE.Sigma(t)) }
}

// LogDensity is log p_t(x), in nats.
func (u Truth) LogDensity() LogDensity {
	return func(x, t *Node) *Node { return u.Law.LogProb(x, u.SDE.Alpha(t), u.SDE.Sigma(t)) }
}

// Denoiser is the posterior mean E[x_0 | x_t = x], without the division by Sigma of Tweedie's formula.
func (u Truth) Denoiser() Func {
	return func(x, t *Node) *Node { return u.Law.Denoise(x, u.SDE.Alpha(t), u.SDE.Sigma(t)) }
}

// Posterior is the Bayes classifier of noised data: log p_t(y|x) of the components y of a mixture. As a graph function it
// panics for laws that have no components.
func (u Truth) Posterior() Posterior {
	return func(x, t *Node) *Node {
		law, ok := u.Law.(interface {
			LogPosterior(x, alpha, sigma *Node) *Node
		})
		if !ok {
			panic(fmt.Errorf("score: %s has no components, want a mixture for Posterior", u.Law))
		}
		return law.LogPosterior(x, u.SDE.Alpha(t), u.SDE.Sigma(t))
	}
}
