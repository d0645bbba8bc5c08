package sampler

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// DPMSolver2S is DPM-Solver++(2S) (Lu et al. 2022, arXiv 2211.01095, algorithm 1): a step of second order with one more
// evaluation in the middle of the step, here in the middle of its times.
type DPMSolver2S struct{}

// String returns "DPM-Solver++(2S)".
func (DPMSolver2S) String() string { return "DPM-Solver++(2S)" }

// Key is the value itself.
func (DPMSolver2S) Key() any { return DPMSolver2S{} }

// Order is 2.
func (DPMSolver2S) Order() Order { return Order{Strong: 2, Weak: 2} }

// NFE is 2.
func (DPMSolver2S) NFE() int { return 2 }

// Predict implements Predictor.
func (DPMSolver2S) Predict(p *Problem, rng noise.Source, x, t, tNext *Node) (next, mean *Node) {
	middle := MulScalar(Add(t, tNext), 0.5)
	a, m, b := marginalAt(p.SDE, t), marginalAt(p.SDE, middle), marginalAt(p.SDE, tNext)
	d := p.denoise(x, t)
	inner := p.denoise(exponential(a, m, x, d), middle)
	part := Div(Sub(m.lambda, a.lambda), Sub(b.lambda, a.lambda)) // r, near 1/2
	next = exponential(a, b, x, Add(d, sde.Times(Reciprocal(MulScalar(part, 2)), Sub(inner, d))))
	return next, next
}

// DPMSolver2M is DPM-Solver++(2M) (Lu et al. 2022, algorithm 2): second order with one evaluation per step, because the
// posterior mean is extrapolated from the step before, linearly in lambda = ln(Alpha/Sigma). The first step is DDIM's.
type DPMSolver2M struct{}

// String returns "DPM-Solver++(2M)".
func (DPMSolver2M) String() string { return "DPM-Solver++(2M)" }

// Key is the value itself.
func (DPMSolver2M) Key() any { return DPMSolver2M{} }

// Order is 2.
func (DPMSolver2M) Order() Order { return Order{Strong: 2, Weak: 2} }

// NFE is 1.
func (DPMSolver2M) NFE() int { return 1 }

// Knobs are none.
func (DPMSolver2M) Knobs() []float64 { return nil }

// Validate accepts it.
func (DPMSolver2M) Validate() error { return nil }

// Begin implements Carrier.
func (DPMSolver2M) Begin(p *Problem, x, t *Node, _ []*Node) []*Node { return noHistory(x, t) }

// Step implements Method.
func (DPMSolver2M) Step(p *Problem, rng noise.Source, x, t, tNext *Node, aux, _ []*Node) (next *Node, newAux []*Node) {
	a, b := marginalAt(p.SDE, t), marginalAt(p.SDE, tNext)
	d := p.denoise(x, t)
	slope := slopeOf(p, aux, d, t, a.lambda)
	mean := Add(d, sde.Times(MulScalar(Sub(b.lambda, a.lambda), 0.5), slope))
	return exponential(a, b, x, mean), []*Node{d, t}
}

// noHistory is the history of a multistep method before its first step: a value of 0 at the time of the start, which
// slopeOf knows by the time.
func noHistory(x, t *Node) []*Node { return []*Node{ZerosLike(x), t} }

// slopeOf is the slope in lambda between the value of the step before, in history, and d at time t; 0 on the first step.
func slopeOf(p *Problem, history []*Node, d, t, lambda *Node) *Node {
	before := marginalAt(p.SDE, history[1]).lambda
	first := Equal(history[1], t)
	gap := Where(first, OnesLike(lambda), Sub(lambda, before))
	slope := Div(Sub(d, history[0]), like(gap, d))
	return Where(BroadcastToShape(like(first, d), d.Shape()), ZerosLike(d), slope)
}
