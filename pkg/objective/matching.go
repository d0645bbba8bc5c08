package objective

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Matching is an objective whose minimum is the score of noised data: DSM, where the kernel is known, and Implicit, which
// needs none.
type Matching interface {
	// Process is the forward process.
	Process() sde.SDE
	// Times draws the times.
	Times() TimeSampler
	// Loss draws times and noise for clean data x0 [B, d], and returns the advanced random state and the scalar loss.
	Loss(f score.Func, rng, x0 *Node) (newRNG, loss *Node)
	// Validate refuses what cannot be trained.
	Validate() error
	// String names the objective by all that it is made of but the process.
	String() string
}

// Process implements Matching.
func (o DSM) Process() sde.SDE { return o.SDE }

// Times implements Matching.
func (o DSM) Times() TimeSampler { return orUniform(o.Time) }

// Process implements Matching.
func (o Implicit) Process() sde.SDE { return o.SDE }

// Times implements Matching.
func (o Implicit) Times() TimeSampler { return orUniform(o.Time) }
