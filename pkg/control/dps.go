package control

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
)

// DPS is diffusion posterior sampling (Chung et al. 2023, arXiv 2209.14687, algorithm 1): each step of an unconditional
// predictor is followed by
//
//	x <- x - step/|r| grad_{x_t} |r|^2,   r = y - A D(x_t, t),
//
// with the posterior mean D. The rule is scaled by experience, not by a likelihood, and the noise of the observation does
// not enter: its law is not the posterior for any Step.
type DPS struct {
	Predictor   sampler.Predictor
	Observation *Observation
	Step        *Scale // the paper's zeta', 0.1 to 1 on images; nil: 1
}

// shortest is a |r|^2 below which the pull fades away: 0 has no direction. Smaller numbers may be flushed to 0.
const shortest = 1e-30

// String names predictor, observation and step.
func (d DPS) String() string {
	return fmt.Sprintf("DPS (%s, %s, step %s)", d.Predictor, d.Observation, d.Step)
}

// dpsKey is a DPS by its parts: observation and step enter graphs as inputs of their own.
type dpsKey struct {
	predictor   any
	observation *Observation
	step        *Scale
}

// Key is made of that of the predictor, the observation and the step.
func (d DPS) Key() any { return dpsKey{d.Predictor.Key(), d.Observation, d.Step} }

// Order claims none.
func (d DPS) Order() sampler.Order { return sampler.Order{} }

// NFE is that of the predictor: the posterior mean shares its first evaluation, and adds its gradient.
func (d DPS) NFE() int { return d.Predictor.NFE() }

// Validate refuses missing parts.
func (d DPS) Validate() error { return checkParts(d.Predictor, d.Observation) }

// Predict implements sampler.Predictor.
func (d DPS) Predict(p *sampler.Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	next, mean = d.Predictor.Predict(p, rng, x, t, tNext)
	y := d.Observation.y(x)
	residual := Sub(y, Dot(score.Denoiser(p.Score, p.SDE)(x, t), constant(x, d.Observation.a.T())).Product())
	square := ReduceSum(Square(residual), -1)
	length := StopGradient(Sqrt(MaxScalar(square, shortest)))
	pull := Gradient(ReduceAllSum(Div(square, length)), x)[0]
	pull = Mul(d.Step.node(x), pull)
	return Sub(next, pull), Sub(mean, pull)
}

// y are the observations of the samples x, [B, m], as far as A explains them.
func (o *Observation) y(x *Node) *Node {
	o.check(x)
	var back mat.Dense
	back.Mul(o.a, o.basis.T())
	return Dot(o.values(x), constant(x, back.T())).Product()
}
