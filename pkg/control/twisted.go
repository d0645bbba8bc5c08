package control

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/score"
)

// Twisted is the twisted diffusion sampler (Wu et al. 2023, arXiv 2306.17775, algorithm 1): sequential Monte Carlo whose
// particles move by the guided reverse kernel and carry the weights that correct it, step by step,
//
//	w <- w p(x'|x) psi_t'(x') / (q(x'|x) psi_t(x)),
//
// with the kernel p of Kernel under the score of the problem, the guided kernel q, whose score has grad log psi_t added,
// and a twist psi_t(x) that approximates p_t(y|x). As the number of particles grows, their weighted law tends to the
// conditional law of what Kernel draws without guidance, given the likelihood psi at the last time, however crude the
// twist is in between; the error of Kernel's steps remains and goes with their number.
//
// The problem's N samples are groups of particles, one population after another; all groups run at once.
type Twisted struct {
	Kernel    sampler.Gaussian
	Threshold float64 // a group is resampled when its effective sample size falls below Threshold times its particles, in [0, 1]; 0: never
	twist     *score.LogDensity
	particles int // of a group
}

// NewTwisted returns the sampler with groups of the given number of particles, which must divide the number of samples,
// the reverse diffusion kernel, and resampling below half the particles.
func NewTwisted(twist score.LogDensity, particles int) *Twisted {
	return &Twisted{sampler.ReverseDiffusion{}, 0.5, &twist, particles}
}

// String names kernel and particles.
func (w *Twisted) String() string {
	return fmt.Sprintf("twisted %s, %d particles", w.Kernel, w.particles)
}

// twistedKey is a Twisted without its threshold.
type twistedKey struct {
	kernel    any
	twist     *score.LogDensity
	particles int
}

// Key is made of that of the kernel, the twist that NewTwisted was given, by pointer, and the number of particles.
func (w *Twisted) Key() any { return twistedKey{w.Kernel.Key(), w.twist, w.particles} }

// Knobs is the threshold.
func (w *Twisted) Knobs() []float64 { return []float64{w.Threshold} }

// Validate names what cannot be used.
func (w *Twisted) Validate() error {
	switch {
	case w.twist == nil || *w.twist == nil:
		return fmt.Errorf("control: Twisted has no twist, want NewTwisted with a log likelihood")
	case w.particles < 2:
		return fmt.Errorf("control: Twisted got %d particles, want >= 2", w.particles)
	case w.Kernel == nil:
		return fmt.Errorf("control: Twisted.Kernel is nil, want a Gaussian predictor")
	case !(w.Threshold >= 0 && w.Threshold <= 1):
		return fmt.Errorf("control: Twisted.Threshold = %g, want in [0, 1]", w.Threshold)
	}
	return nil
}

// NFE is 1; the gradient of the twist comes on top.
func (*Twisted) NFE() int { return 1 }

// What a population carries besides x.
const (
	auxLogWeight = iota // normalised log weights, [G, K]
	auxLogTwist         // log psi at x, [G*K]
	auxScore            // unconditional score at x, [G*K, d]
	auxPull             // grad log psi at x, [G*K, d]
	auxEvidence         // estimate of the log evidence so far, [G]
	auxLowest           // lowest effective sample size so far, 0 once all weights of a group were 0 or undefined, [G]
	auxResamples        // number of resamplings so far, [G]
	auxSize
)

// Begin implements sampler.Carrier: the weights of particles from the prior are psi_T.
func (w *Twisted) Begin(p *sampler.Problem, x, t *Node, _ []*Node) []*Node {
	if p.N%w.particles != 0 {
		panic(fmt.Errorf("control: %d particles of a group do not divide Problem.N = %d", w.particles, p.N))
	}
	groups := p.N / w.particles
	aux := make([]*Node, auxSize)
	aux[auxLogTwist], aux[auxScore], aux[auxPull] = w.look(p, x, t)
	zero := BroadcastToDims(ConstAs(x, []float64{0}), groups)
	aux[auxLogWeight] = BroadcastToDims(ConstAs(x, [][]float64{{-math.Log(float64(w.particles))}}), groups, w.particles)
	aux[auxEvidence], aux[auxResamples] = zero, zero
	aux[auxLowest] = Add(zero, ConstAs(x, float64(w.particles)))
	w.weigh(aux, aux[auxLogTwist])
	return aux
}

// look evaluates score, log twist and its gradient at once. Where the gradient is not finite, as where the twist is 0, it
// becomes 0: the weights are right for any pull, and only a finite one leaves a state that can go on.
func (w *Twisted) look(p *sampler.Problem, x, t *Node) (logTwist, score, pull *Node) {
	logTwist = (*w.twist)(x, t)
	if logTwist.Rank() != 1 || logTwist.Shape().Dim(0) != p.N {
		panic(fmt.Errorf("control: the twist returned %s, want log p(y|x) of each of the %d samples", logTwist.Shape(), p.N))
	}
	pull = Gradient(ReduceAllSum(logTwist), x)[0]
	return logTwist, p.Score(x, t), Where(IsFinite(pull), pull, ZerosLike(pull))
}

// Step implements sampler.Method.
func (w *Twisted) Step(p *sampler.Problem, rng noise.Source, x, t, tNext *Node, aux, knobs []*Node) (next *Node, newAux []*Node) {
	aux = append([]*Node{}, aux...)
	x = w.resample(rng, x, aux, knobs[0])
	onX, onScore, std := w.Kernel.Kernel(p.SDE, t, tNext)
	wide := func(c *Node) *Node { return Reshape(c, 1, 1) }
	z := rng.Normal(x.Shape())
	guided := Add(aux[auxScore], aux[auxPull])
	next = Add(Add(Mul(wide(onX), x), Mul(wide(onScore), guided)), Mul(wide(std), z))

	// log p/q = -z.shift - |shift|^2/2, where shift is the distance of the two means in units of std.
	shift := Mul(wide(Div(onScore, std)), aux[auxPull])
	ratio := Neg(ReduceSum(Mul(shift, Add(z, Mul(shift, ConstAs(x, [][]float64{{0.5}})))), -1))
	before := aux[auxLogTwist]
	aux[auxLogTwist], aux[auxScore], aux[auxPull] = w.look(p, next, tNext)
	w.weigh(aux, Add(ratio, Sub(aux[auxLogTwist], before)))
	return next, aux
}

// weigh multiplies the weights by exp(change), [G*K], normalises them, and keeps the books. A group that has lost all its
// weights goes on with equal ones, marked by a lowest sample size of 0.
func (w *Twisted) weigh(aux []*Node, change *Node) {
	old := aux[auxLogWeight]
	groups := old.Shape().Dim(0)
	none := Infinity(old.Graph(), old.DType(), -1)
	lw := Add(old, Reshape(change, groups, w.particles))
	lw = Where(Equal(lw, lw), lw, BroadcastToShape(none, lw.Shape())) // NaN counts as no weight
	top := Reshape(ReduceMax(lw, 1), groups, 1)
	lost := LogicalNot(IsFinite(top))
	top = Where(lost, ZerosLike(top), top)
	total := Log(Reshape(ReduceSum(Exp(Sub(lw, top)), 1), groups, 1))
	equal := Add(ZerosLike(lw), ConstAs(lw, [][]float64{{-math.Log(float64(w.particles))}}))
	aux[auxLogWeight] = Where(BroadcastToShape(lost, lw.Shape()), equal, Sub(Sub(lw, top), total))
	flat := func(n *Node) *Node { return Reshape(n, groups) }
	aux[auxEvidence] = Add(aux[auxEvidence], Where(flat(lost), BroadcastToShape(none, flat(top).Shape()), flat(Add(top, total))))
	size := effective(aux[auxLogWeight])
	aux[auxLowest] = Min(aux[auxLowest], Where(flat(lost), ZerosLike(size), size))
}

// effective is the effective sample size 1/sum w^2 of normalised log weights [G, K], [G].
func effective(logWeight *Node) *Node {
	return Reciprocal(ReduceSum(Exp(MulScalar(logWeight, 2)), 1))
}

// resample draws the groups whose effective sample size is low anew, each particle as often as its weight says, by one
// uniform number for a group (systematic resampling), and makes their weights equal.
func (w *Twisted) resample(rng noise.Source, x *Node, aux []*Node, threshold *Node) *Node {
	lw := aux[auxLogWeight]
	groups := lw.Shape().Dim(0)
	low := Reshape(LessThan(effective(lw), Mul(threshold, ConstAs(x, []float64{float64(w.particles)}))), groups, 1)
	ancestors := systematic(rng, Exp(lw))
	rows := Where(BroadcastToShape(low, lw.Shape()), ancestors, Iota(x.Graph(), ancestors.Shape(), 1))
	rows = Add(rows, MulScalar(Iota(x.Graph(), rows.Shape(), 0), w.particles))
	rows = Reshape(rows, x.Shape().Dim(0), 1)
	for _, k := range []int{auxLogTwist, auxScore, auxPull} {
		aux[k] = Gather(aux[k], rows)
	}
	equal := Add(ZerosLike(lw), ConstAs(lw, [][]float64{{-math.Log(float64(w.particles))}}))
	aux[auxLogWeight] = Where(BroadcastToShape(low, lw.Shape()), equal, lw)
	aux[auxResamples] = Add(aux[auxResamples], ConvertDType(Reshape(low, groups), x.DType()))
	return Gather(x, rows)
}
