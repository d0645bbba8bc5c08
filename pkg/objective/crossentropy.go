package objective

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// CrossEntropy trains a classifier of noised data: the mixture of cross-entropies over t (Yang and Batzolis, CCIMI
// report, 2021, section 2.1)
//
//	E_t E_{(x_0, y), z} -log p(y|x_t, t),   x_t = Alpha x_0 + Sigma z
//
// with t uniform on [Eps, T]. Its minimum over p is the posterior of the classes at every t, and its value there the
// mean over t of the conditional entropy of y given x_t. Time draws t as in DSM.
type CrossEntropy struct {
	SDE  sde.SDE
	Time TimeSampler // nil: Uniform
}

// Loss draws times and noise for clean data x0 [B, d] of the classes y [B, K], rows with a single 1, and returns the
// scalar loss in nats, the mean over the batch.
func (o CrossEntropy) Loss(p score.Posterior, rng noise.Source, x0, y *Node) *Node {
	t, weight := orUniform(o.Time).Draw(o.SDE, rng, x0)
	z := rng.Normal(x0.Shape())
	return ReduceAllMean(Mul(weight, o.Errors(p, x0, y, z, t)))
}

// Errors returns -log p(y|x_t, t) per example [B] for given times t [B] and noise z [B, d].
func (o CrossEntropy) Errors(p score.Posterior, x0, y, z, t *Node) *Node {
	logP := p(noised(x0, z, o.SDE.Alpha(t), o.SDE.Sigma(t)), t)
	if !logP.Shape().Equal(y.Shape()) {
		panic(fmt.Errorf("objective: the posterior returned %s for classes %s, want the same shape", logP.Shape(), y.Shape()))
	}
	return Neg(ReduceSum(Mul(y, logP), -1))
}

// Validate refuses an objective that cannot be trained, as DSM's does.
func (o CrossEntropy) Validate() error { return validate(o, o.SDE, o.Time, Unit) }

// String names the time sampling.
func (o CrossEntropy) String() string { return fmt.Sprintf("cross-entropy, t %s", orUniform(o.Time)) }
