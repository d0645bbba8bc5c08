package sampler

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Langevin is the Langevin corrector x + eps score + sqrt(2 eps) z (Song et al. 2021, algorithms 4 and 5) with the step
// rule
//
//	eps = 2 a^2 (SNR |z| / |score|)^2,   a^2 = 1 for VE, 1 - beta_i for VP
//
// with a step-size factor that Algorithms 4 and 5 call alpha_i. For other SDEs, sub-VP among them, a is the coefficient of the
// forward transition too, so that the rule is the same for all.
type Langevin struct {
	SNR  float64 // > 0; the paper uses 0.16 on CIFAR-10
	Norm Norm
}

// Norm says what the norms in the step rule are.
type Norm int

const (
	// BatchMean takes the mean norms over the batch, as the paper's code. The step then depends on the batch, and at
	// batch 1 it breaks down, because 1/|score|^2 of one sample has no mean.
	BatchMean Norm = iota
	// PerSample takes the norms of each sample, and so depends on no other sample. In d <= 2 dimensions 1/|score|^2 has
	// no mean, rare huge steps throw samples out, and the stationary law is wrong: use it in high dimensions only.
	PerSample
	// Expected takes the norms' typical values sqrt(d) and sqrt(d)/Sigma, so eps = 2 (a SNR Sigma)^2: the rule of
	// annealed Langevin dynamics (Song and Ermon 2019, arXiv 1907.05600), safe at every batch size.
	Expected
)

// String returns the name of the rule.
func (n Norm) String() string {
	switch n {
	case BatchMean:
		return "batch-mean norm"
	case PerSample:
		return "per-sample norm"
	case Expected:
		return "expected norm"
	}
	return fmt.Sprintf("Norm(%d)", int(n))
}

// Correctors lists the Langevin correctors of all rules at one SNR.
func Correctors(snr float64) []Corrector {
	return []Corrector{Langevin{snr, BatchMean}, Langevin{snr, PerSample}, Langevin{snr, Expected}}
}

// String names the corrector and its rule.
func (l Langevin) String() string { return fmt.Sprintf("Langevin (%s)", l.Norm) }

// Key is the rule, without the SNR.
func (l Langevin) Key() any { return Langevin{Norm: l.Norm} }

// Knobs is the SNR.
func (l Langevin) Knobs() []float64 { return []float64{l.SNR} }

// Validate wants SNR > 0 and a known rule.
func (l Langevin) Validate() error {
	if l.Norm < BatchMean || l.Norm > Expected {
		return fmt.Errorf("sampler: Langevin.Norm = %d, want BatchMean, PerSample or Expected", int(l.Norm))
	}
	return positive("Langevin.SNR", l.SNR)
}

// Correct implements Corrector.
func (l Langevin) Correct(p *Problem, rng noise.Source, x, t, a *Node, knobs []*Node) *Node {
	s := p.Score(x, t)
	z := rng.Normal(x.Shape())
	step := Square(Mul(knobs[0], Mul(a, l.ratio(p, t, s, z)))) // [1] or [N]
	eps := like(MulScalar(step, 2), x)
	return Add(Add(x, Mul(eps, s)), Mul(Sqrt(MulScalar(eps, 2)), z))
}

// ratio is |z|/|score|, [1] for the batch or [N].
func (l Langevin) ratio(p *Problem, t, s, z *Node) *Node {
	if l.Norm == Expected {
		return p.SDE.Sigma(t)
	}
	norm := func(v *Node) *Node { return Sqrt(sde.PerExample(Square(v))) }
	zn, sn := norm(z), norm(s)
	if l.Norm == BatchMean {
		mean := func(values *Node) *Node { return Reshape(ReduceAllMean(values), 1) }
		zn, sn = mean(zn), mean(sn)
	}
	return Div(zn, sn)
}
