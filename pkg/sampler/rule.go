package sampler

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Rule is a Gaussian predictor given by its coefficients alone,
//
//	mean = onX x + onScore score(x, t),  next = mean + std z,
//
// to write down a sampling rule as a text prints it: an ancestral step with other variances, or one with an error in it,
// whose effect is to be shown. It is used by pointer, by which it is known: a rule made twice compiles twice.
type Rule struct {
	Name string
	// Coefficients of a step from t to the earlier tNext, all [1].
	Coefficients func(s sde.SDE, t, tNext *Node) (onX, onScore, std *Node)
	// Claims is the order of convergence that the rule claims; the zero value claims none.
	Claims Order
}

// String returns the name.
func (r *Rule) String() string { return r.Name }

// Key is the pointer.
func (r *Rule) Key() any { return r }

// Order is what the rule claims.
func (r *Rule) Order() Order { return r.Claims }

// NFE is 1.
func (*Rule) NFE() int { return 1 }

// Validate refuses a rule without name or coefficients.
func (r *Rule) Validate() error {
	if r.Name == "" || r.Coefficients == nil {
		return fmt.Errorf("sampler: Rule %q: want a name and coefficients (got coefficients: %t)", r.Name, r.Coefficients != nil)
	}
	return nil
}

// Kernel implements Gaussian.
func (r *Rule) Kernel(s sde.SDE, t, tNext *Node) (onX, onScore, std *Node) {
	return r.Coefficients(s, t, tNext)
}

// Predict implements Predictor.
func (r *Rule) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	return draw(r, p, rng, x, t, tNext)
}
