package sampler

import (
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/ode"
	"github.com/scoresde/scoresde/pkg/sde"
)

// State of the loop of adaptive steps.
const (
	walkX        = iota // [N, Dim]
	walkT               // [N]
	walkV               // clock at walkT, [N]
	walkH               // size of the step wanted next, > 0, [N]
	walkScore           // the score at walkX, [N, Dim]
	walkInformed        // int32 [N], 1 where walkScore is known
	walkEnds            // the future: [N, futureDepth]
	walkClocks          // [N, futureDepth]
	walkNoise           // [N, futureDepth, Dim]
	walkKnown           // int32 [N]
	walkAccepted        // int32 [N]
	walkRejected        // int32 [N]
	walkStatus          // int32 [N], walking or an ode.Status
	walkStop            // int32, 1 once nothing is walking
	walkStates
)

const walking = int32(-1)

// Inputs of the loop.
const (
	walkLimits = iota // Eps, Tolerance.Abs, Tolerance.Rel
	walkTries         // int32 [1], Tolerance.MaxSteps
	walkKey           // of the noise
)

// walk builds one iteration, which evaluates the score of each sample once: at its x if that is not known yet, else at
// the predicted end of a step that is tried.
func (s *Sampler) walk(rng noise.Source, state, inputs []*Node) []*Node {
	p := &s.problem
	x, t, v, first := state[walkX], state[walkT], state[walkV], state[walkScore]
	limits := values(inputs[walkLimits], 3)
	going := Equal(state[walkStatus], ConstAs(state[walkStatus], []int32{walking}))
	informed := Equal(state[walkInformed], OnesLike(state[walkInformed]))
	trying := And(going, informed)

	z := rng.Normal(x.Shape())
	eps := BroadcastToShape(limits[0], t.Shape())
	bottom := interval{end: eps, v: p.clock(eps)}
	ahead := future{state[walkEnds], state[walkClocks], state[walkNoise], state[walkKnown]}
	ahead, try := ahead.propose(p, t, v, state[walkH], z, bottom, trying)

	alpha, alphaNext, a := p.SDE.Alpha(t), p.SDE.Alpha(try.end), Sub(v, try.v)
	move := Add(sde.Times(Mul(a, alpha), first), try.noise)
	guess := sde.Times(alphaNext, Add(Div(x, like(alpha, x)), move))
	second := p.Score(Where(informed, guess, x), Where(informed, try.end, t))
	change := Sub(sde.Times(alphaNext, second), sde.Times(alpha, first)) // of the slope, in y
	correction := sde.Times(MulScalar(Mul(alphaNext, a), 0.5), change)
	next := Add(guess, correction)

	scale := Add(like(limits[1], x), sde.Times(limits[2], Max(Abs(x), Abs(next))))
	norm := Sqrt(Div(sde.PerExample(Square(Div(correction, scale))), ConstAs(x, float64(p.Dim()))))
	accept := And(trying, LessOrEqual(norm, OnesLike(norm))) // a NaN is no acceptance
	reject := And(trying, LogicalNot(accept))

	out := append([]*Node{}, state...)
	out[walkX], out[walkScore] = Where(accept, next, x), Where(informed, first, second)
	out[walkT], out[walkV] = Where(accept, try.end, t), Where(accept, try.v, v)
	out[walkH] = Where(trying, wanted(norm, Sub(t, try.end), state[walkH]), state[walkH])
	out[walkInformed] = Where(going, count(LogicalNot(accept)), state[walkInformed])
	out[walkEnds], out[walkClocks], out[walkNoise] = ahead.ends, ahead.v, ahead.noise
	out[walkKnown] = Sub(ahead.known, count(accept))
	out[walkAccepted] = Add(state[walkAccepted], count(accept))
	out[walkRejected] = Add(state[walkRejected], count(reject))

	code := func(s ode.Status) *Node {
		return Add(ZerosLike(state[walkStatus]), ConstAs(state[walkStatus], []int32{int32(s)}))
	}
	short := LessThan(out[walkH], MulScalar(t, 16*resolution(t)))
	stuck := And(reject, Or(short, Equal(out[walkKnown], Add(ZerosLike(ahead.known), ConstAs(ahead.known, []int32{futureDepth})))))
	spent := GreaterOrEqual(Add(out[walkAccepted], out[walkRejected]), BroadcastToShape(inputs[walkTries], ahead.known.Shape()))
	status := Where(And(going, spent), code(ode.MaxSteps), state[walkStatus])
	status = Where(stuck, Where(IsFinite(norm), code(ode.TooSmall), code(ode.NonFinite)), status)
	out[walkStatus] = Where(And(accept, Equal(try.end, eps)), code(ode.Done), status)
	walkers := Equal(out[walkStatus], ConstAs(status, []int32{walking}))
	out[walkStop] = Sub(Const(x.Graph(), int32(1)), ReduceAllMax(count(walkers)))
	return out
}

// wanted is the size of the next step after one of a size whose error had the given norm, [N] each. The error of Heun's
// predictor is that of Euler's method, (a/2)(S(y') - S(y)), which noise moves by about a^{3/2} and drift by a^2: the power
// 2/3 keeps the larger one, of the noise, at the tolerance. A step cut short by what was known says nothing against
// the size h that was wanted then.
func wanted(norm, size, h *Node) *Node {
	change := MulScalar(Pow(MaxScalar(norm, 1e-10), ConstAs(norm, []float64{-2. / 3})), 0.9)
	change = Where(IsFinite(norm), MaxScalar(change, 0.2), MulScalar(OnesLike(norm), 0.2))
	return Min(Mul(change, size), Max(MulScalar(size, 5), h))
}

// count turns truth values into 0 and 1.
func count(when *Node) *Node { return ConvertDType(when, dtypes.Int32) }

// resolution is the spacing of floating point numbers at 1.
func resolution(x *Node) float64 {
	if x.DType() == dtypes.Float64 {
		return 0x1p-52
	}
	return 0x1p-23
}
