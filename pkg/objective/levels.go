package objective

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Levels draws uniformly among N >= 2 equally spaced times, both ends of the span included: t_i = Eps + (T - Eps) (i-1)/(N-1)
// for i = 1..N, the times of a sampler with N-1 uniform steps. With it DSM is the discrete objective of
//
//   - SMLD (Song and Ermon 2019, arXiv 1907.05600, eqs 5 and 6): on a VE process that starts at Eps = 0 the levels are
//     sigma_1 = SigmaMin to sigma_N = SigmaMax, a geometric sequence, with weights sigma_i^2;
//   - DDPM (Ho et al. 2020; Song et al. 2021, eq 3): on an sde.DDPM of N steps they are those of the chain, t_i = i/N,
//     with weights 1 - alpha_i.
//
// Both papers sum over the levels; here it is the mean.
type Levels struct{ N int }

// Draw implements TimeSampler with weights 1.
func (l Levels) Draw(s sde.SDE, rng noise.Source, x0 *Node) (t, weight *Node) {
	if err := l.Validate(); err != nil {
		panic(fmt.Errorf("objective: %w", err))
	}
	level := rng.Below(l.N, x0.Shape().Dim(0))
	t = spread(s, MulScalar(ConvertDType(level, x0.DType()), 1/float64(l.N-1)))
	return t, OnesLike(t)
}

// Validate wants at least two levels.
func (l Levels) Validate() error {
	if l.N < 2 {
		return fmt.Errorf("Levels.N = %d, want >= 2", l.N)
	}
	return nil
}

// String names the number of levels.
func (l Levels) String() string { return fmt.Sprintf("uniform over %d levels", l.N) }
