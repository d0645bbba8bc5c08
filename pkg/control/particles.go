package control

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/sampler"
)

// Status says what became of populations of particles.
type Status int

const (
	Sound      Status = iota // many particles carried the weight of every group at every step
	Degenerate               // at some step one particle had nearly all the weight of a group, or none had any
)

// dominated is the effective sample size below which a group is called degenerate.
const dominated = 1.5

// String returns the name of the status.
func (s Status) String() string { return [...]string{"sound", "degenerate"}[s] }

// Particles are the weighted samples of a run of Twisted.
type Particles struct {
	X           *mat.Dense // [G*K, d], one group after another
	Weights     *mat.Dense // [G, K], each row sums to 1
	ESS         []float64  // effective sample size of each group at the end, in [1, K]
	LowestESS   []float64  // and the lowest on the way; 0 if all weights were 0 or undefined, and the group went on with equal ones
	Resamples   []int      // resamplings of each group
	LogEvidence []float64  // estimate of log p(y) of each group, nats, in the units of the twist; -Inf where all weights were lost
	Degenerate  []int      // the groups whose LowestESS is below 1.5: their samples are copies of one particle, or not conditioned at all
	Status      Status
}

// Population reads the populations from the result of a run with w. It returns an error for a result of another method.
func (w *Twisted) Population(r *sampler.Result) (*Particles, error) {
	if r == nil || len(r.Aux) != auxSize || r.Aux[auxLogWeight].Rank() != 2 || r.Aux[auxLogWeight].Shape().Dim(1) != w.particles {
		return nil, fmt.Errorf("control: the result is not one of %s", w)
	}
	logWeights := host.Matrix(r.Aux[auxLogWeight])
	p := &Particles{
		X: r.Samples(), Weights: mat.DenseCopyOf(logWeights),
		LowestESS: host.Values(r.Aux[auxLowest]), LogEvidence: host.Values(r.Aux[auxEvidence]),
	}
	p.Weights.Apply(func(_, _ int, v float64) float64 { return math.Exp(v) }, logWeights)
	for g, n := range host.Values(r.Aux[auxResamples]) {
		row := p.Weights.RawRowView(g)
		p.Resamples = append(p.Resamples, int(n))
		p.ESS = append(p.ESS, 1/mat.Dot(mat.NewVecDense(len(row), row), mat.NewVecDense(len(row), row)))
	}
	for g, size := range p.LowestESS {
		if size < dominated {
			p.Degenerate, p.Status = append(p.Degenerate, g), Degenerate
		}
	}
	return p, nil
}

// Draw takes n >= 1 samples of equal weight from each group, with replacement, [G*n, d].
func (p *Particles) Draw(rng *rand.Rand, n int) *mat.Dense {
	groups, k := p.Weights.Dims()
	_, d := p.X.Dims()
	out := mat.NewDense(groups*n, d, nil)
	sums := make([]float64, k)
	for g := range groups {
		total := 0.0
		for i, w := range p.Weights.RawRowView(g) {
			total += w
			sums[i] = total
		}
		for i := range n {
			at := rng.Float64() * total
			j := sort.Search(k-1, func(j int) bool { return sums[j] > at }) // never one without weight
			out.SetRow(g*n+i, p.X.RawRowView(g*k+j))
		}
	}
	return out
}

// Share is the weight of the particles of each group for which is holds, [G]: an estimate of a probability.
func (p *Particles) Share(is func(x []float64) bool) []float64 {
	groups, k := p.Weights.Dims()
	shares := make([]float64, groups)
	for g := range groups {
		for i, w := range p.Weights.RawRowView(g) {
			if is(p.X.RawRowView(g*k + i)) {
				shares[g] += w
			}
		}
	}
	return shares
}
