package objective

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// ScoreMatching is an objective whose minimum is the score of noised data: DSM, where the kernel is known; Implicit, which
// needs samples of x_t only; and Simulated, which makes these where nothing is known but the SDE.
type ScoreMatching interface {
	// Process is the forward process, or one that stands for it in the scales of the network.
	Process() sde.SDE
	// Times draws the times.
	Times() TimeSampler
	// Loss draws times and noise for clean data x0 [B, ...] and returns the scalar loss, the mean over the batch. mask, bool of
	// the first axes of x0, says which parts of an example count, as in score.Inputs; nil: all.
	Loss(f score.Func, rng noise.Source, x0, mask *Node) *Node
	// Validate refuses what cannot be trained.
	Validate() error
	// String names the objective by all that it is made of but the process.
	String() string
}

// Process implements ScoreMatching.
func (o DSM) Process() sde.SDE { return o.SDE }

// Times implements ScoreMatching.
func (o DSM) Times() TimeSampler { return orUniform(o.Time) }

// Process implements ScoreMatching.
func (o Implicit) Process() sde.SDE { return o.SDE }

// Times implements ScoreMatching.
func (o Implicit) Times() TimeSampler { return orUniform(o.Time) }
