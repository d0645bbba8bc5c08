package ode

import (
	"context"
	"fmt"
	"math"
	"slices"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Control says how steps are adapted. The error of a step is measured in units of Abs + Rel |x|, and its root mean
// square over the coordinates of a sample, or of the whole batch, must stay below 1.
type Control struct {
	Abs, Rel  float64   // > 0; with float32, below about 1e-6 rounding takes over
	WholeStep bool      // one step size for the batch, chosen by the mean error, in place of one for each sample
	MaxSteps  int       // tries allowed to each sample; 0: 10000
	At        []float64 // times between the ends at which to keep the state, by interpolation of order 4
}

// Tolerance is a Control with equal absolute and relative tolerance.
func Tolerance(tol float64) Control { return Control{Abs: tol, Rel: tol} }

func (c Control) validate(from, to float64) error {
	for name, v := range map[string]float64{"Abs": c.Abs, "Rel": c.Rel} {
		if !(v > 0) || math.IsInf(v, 0) {
			return fmt.Errorf("ode: tolerance %s = %g, want > 0 and finite", name, v)
		}
	}
	if c.MaxSteps < 0 {
		return fmt.Errorf("ode: Control.MaxSteps = %d, want >= 0", c.MaxSteps)
	}
	for name, t := range map[string]float64{"start time": from, "end time": to} {
		if err := checkTime(name, t); err != nil {
			return err
		}
	}
	if from == to {
		return fmt.Errorf("ode: start and end time are both %g, want a span", from)
	}
	for _, t := range c.At {
		if !((t-from)*(t-to) <= 0) {
			return fmt.Errorf("ode: asked for the state at t = %g, want a time between %g and %g", t, from, to)
		}
	}
	return nil
}

const defaultMaxSteps = 10000

// State of the loop of adaptive steps. P is B with a step for each sample, and 1 with one for the batch.
const (
	stateX        = iota // [B, d]
	stateT               // [P]
	stateH               // size of the next step, > 0, [P]
	stateSlope           // the field at x, [B, d]
	stateAccepted        // int32 [P]
	stateRejected        // int32 [P]
	stateStatus          // int32 [P], running or a Status
	stateStop            // int32, 1 once nothing is running
	stateAt              // states at the times asked for, [m, B, d]; absent for m = 0
)

const running = int32(-1)

// Adaptive integrates from x [B, d] at time from to time to with the Dormand-Prince pair, whose steps adapt to the
// tolerance. A solution that does not reach the end is an error that says why, and the result what was reached: at most
// MaxSteps tries are made, so that it always returns. dtype is that of x; with float64 tolerances down to 1e-12 work.
func (s *Solver) Adaptive(ctx context.Context, x *tensors.Tensor, from, to float64, c Control) (*Result, error) {
	if err := checkStart(x); err != nil {
		return nil, err
	}
	if err := c.validate(from, to); err != nil {
		return nil, err
	}
	if c.MaxSteps == 0 {
		c.MaxSteps = defaultMaxSteps
	}
	start := time.Now()
	inputs := []*tensors.Tensor{host.Column([]float64{from, to}, x.DType()), host.Column([]float64{c.Abs, c.Rel}, x.DType())}
	if len(c.At) > 0 {
		inputs = append(inputs, host.Column(c.At, x.DType()))
	}
	state, err := s.begin(x, inputs, c)
	if err != nil {
		return nil, fmt.Errorf("ode: %w", err)
	}
	l := s.adaptive(c, len(state))
	for done, chunk := 0, 16; done < c.MaxSteps && tensors.ToScalar[int32](state[stateStop]) == 0; {
		if ctx.Err() != nil {
			r := result(state, Cancelled)
			return r, fmt.Errorf("ode: stopped after %d tries: %w", done, context.Cause(ctx))
		}
		began, next := time.Now(), min(done+chunk, c.MaxSteps)
		if state, err = l.Run(done, next, state, inputs); err != nil {
			return nil, fmt.Errorf("ode: %w", err)
		}
		done, chunk = next, loop.NextChunk(chunk, time.Since(began))
	}
	r := result(state, MaxSteps)
	r.Elapsed = time.Since(start)
	return r, r.failure(state, c)
}

// begin computes the first slope and step.
func (s *Solver) begin(x *tensors.Tensor, inputs []*tensors.Tensor, c Control) ([]*tensors.Tensor, error) {
	key := fmt.Sprintf("%t %d", c.WholeStep, len(c.At))
	if s.firsts[key] == nil {
		exec, err := model.NewExec(s.backend, model.NewStore(), func(_ *model.Scope, args []*Node) []*Node {
			defer backend.PanicWithError()
			return s.first(args[0], args[1:], c)
		})
		if err != nil {
			return nil, err
		}
		s.firsts[key] = exec
	}
	args := []any{x}
	for _, in := range inputs {
		args = append(args, in)
	}
	return s.firsts[key].Call(args...)
}

// first builds the first state. The first step would change x by a hundredth if the slope stayed (Hairer, Norsett and
// Wanner, section II.4), and is at most the span.
func (s *Solver) first(x *Node, inputs []*Node, c Control) []*Node {
	p := x.Shape().Dim(0)
	if c.WholeStep {
		p = 1
	}
	spread := func(n *Node) *Node { return BroadcastToDims(n, p) }
	from, to := element(inputs[0], 0), element(inputs[0], 1)
	t, span := spread(from), spread(Abs(Sub(to, from)))
	slope := s.field(x, t)
	scale := Add(sde.Like(element(inputs[1], 0), x), Mul(sde.Like(element(inputs[1], 1), x), Abs(x)))
	size, change := c.norm(Div(x, scale)), c.norm(Div(slope, scale))
	h := Mul(Div(size, change), constant(size, 0.01))
	tiny := Or(LessThan(size, constant(size, 1e-5)), LogicalNot(IsFinite(h)))
	h = Min(Where(tiny, Mul(span, constant(span, 1e-3)), h), span)
	count := Zeros(x.Graph(), shapes.Make(dtypes.Int32, p))
	state := []*Node{x, t, h, slope, count, count, Add(count, ConstAs(count, []int32{running})), ScalarZero(x.Graph(), dtypes.Int32)}
	if m := len(c.At); m > 0 {
		state = append(state, BroadcastToDims(InsertAxes(x, 0), m, x.Shape().Dim(0), x.Shape().Dim(1)))
	}
	return state
}

// norm is the root mean square of e [B, d] over the coordinates of each sample, or over everything, [P].
func (c Control) norm(e *Node) *Node {
	if c.WholeStep {
		return Sqrt(Reshape(ReduceAllMean(Square(e)), 1))
	}
	return Sqrt(ReduceMean(Square(e), -1))
}

// adaptive is the loop of tries.
func (s *Solver) adaptive(c Control, states int) *loop.Loop {
	key := fmt.Sprintf("adaptive %t %d", c.WholeStep, len(c.At))
	if s.loops[key] == nil {
		s.loops[key] = loop.New(s.backend, nil, states, func(_ *model.Scope, _ *Node, state, inputs []*Node) []*Node {
			return s.try(c, state, inputs)
		}).Until(stateStop)
	}
	return s.loops[key]
}

// try builds one try of a step for all that are still running.
func (s *Solver) try(c Control, state, inputs []*Node) []*Node {
	x, t, slope := state[stateX], state[stateT], state[stateSlope]
	from, to := element(inputs[0], 0), element(inputs[0], 1)
	abs, rel := element(inputs[1], 0), element(inputs[1], 1)
	going := Equal(state[stateStatus], ConstAs(state[stateStatus], []int32{running}))

	left := Abs(Sub(to, t))
	last := GreaterOrEqual(state[stateH], left)
	size := Min(state[stateH], left)
	h := Mul(size, Sign(Sub(to, from)))
	k := s.stages(DormandPrince, x, t, h, slope)
	next := Add(x, Mul(sde.Like(h, x), combine(DormandPrince.b, k)))
	scale := Add(sde.Like(abs, x), Mul(sde.Like(rel, x), Max(Abs(x), Abs(next))))
	norm := c.norm(Div(Mul(sde.Like(h, x), combine(DormandPrince.e, k)), scale))

	accept := And(going, LessOrEqual(norm, constant(norm, 1))) // a NaN is no acceptance
	change := Mul(Pow(Max(norm, constant(norm, 1e-10)), constant(norm, -1./5)), constant(norm, 0.9))
	change = Where(IsFinite(norm), Min(Max(change, constant(norm, 0.2)), constant(norm, 5)), BroadcastToShape(constant(norm, 0.2), norm.Shape()))
	change = Where(accept, change, Min(change, constant(norm, 1)))

	out := append([]*Node{}, state...)
	wide := BroadcastToShape(sde.Like(accept, x), x.Shape())
	out[stateX] = Where(wide, next, x)
	out[stateSlope] = Where(wide, k[len(k)-1], slope)
	out[stateT] = Where(accept, Where(last, BroadcastToShape(to, t.Shape()), Add(t, h)), t)
	out[stateH] = Where(going, Mul(size, change), state[stateH])
	count := func(n, when *Node) *Node { return Add(n, ConvertDType(when, n.DType())) }
	out[stateAccepted] = count(state[stateAccepted], accept)
	out[stateRejected] = count(state[stateRejected], And(going, LogicalNot(accept)))
	out[stateStatus] = settle(state[stateStatus], accept, last, norm, out[stateH], Max(Abs(t), Abs(Sub(to, from))))
	out[stateStop] = Sub(Const(x.Graph(), int32(1)), ReduceAllMax(ConvertDType(Equal(out[stateStatus], ConstAs(state[stateStatus], []int32{running})), dtypes.Int32)))
	if len(c.At) > 0 {
		out[stateAt] = keep(state[stateAt], inputs[2], x, next, t, h, accept, k)
	}
	return out
}

// settle is the status after a try: done when the last step was accepted, given up when a rejected step leaves none that
// the floating point type can tell from 0 at times of size scale.
func settle(status, accept, last, norm, h, scale *Node) *Node {
	code := func(s int32) *Node { return BroadcastToShape(ConstAs(status, []int32{s}), status.Shape()) }
	resolution := 16 * epsilon(h)
	spent := And(LogicalNot(accept), LessThan(h, Mul(scale, constant(h, resolution))))
	why := Where(IsFinite(norm), code(int32(TooSmall)), code(int32(NonFinite)))
	next := Where(And(accept, last), code(int32(Done)), Where(spent, why, status))
	return Where(Equal(status, code(running)), next, status)
}

// epsilon is the spacing of floating point numbers at 1.
func epsilon(x *Node) float64 {
	if x.DType() == dtypes.Float64 {
		return 0x1p-52
	}
	return 0x1p-23
}

// keep fills in the states at those times asked for [m] that lie in the accepted step from x at t to next at t+h, by the
// continuous extension of the method (Hairer, Norsett and Wanner, section II.6).
func keep(kept, at, x, next, t, h, accept *Node, k []*Node) *Node {
	m, p := at.Shape().Dim(0), t.Shape().Dim(0)
	theta := Div(Sub(Reshape(at, m, 1), Reshape(t, 1, p)), Reshape(Where(accept, h, OnesLike(h)), 1, p)) // [m, P]
	zero, one := constant(theta, 0), constant(theta, 1)
	inside := And(GreaterThan(theta, zero), LessOrEqual(theta, one))
	inside = And(inside, BroadcastToShape(Reshape(accept, 1, p), inside.Shape()))
	inside = BroadcastToShape(Reshape(inside, m, p, 1), kept.Shape())

	theta = Reshape(theta, m, p, 1)
	rest := Sub(Reshape(one, 1, 1, 1), theta)
	deep := func(n *Node) *Node { return InsertAxes(n, 0) }
	step := sde.Like(h, x)
	rise := Sub(next, x)
	bend := Sub(Mul(step, k[0]), rise)
	twist := Sub(Sub(rise, Mul(step, k[len(k)-1])), bend)
	last := Mul(step, combine(interpolant, k))
	y := Add(deep(twist), Mul(rest, deep(last)))
	y = Add(deep(bend), Mul(theta, y))
	y = Add(deep(rise), Mul(rest, y))
	y = Add(deep(x), Mul(theta, y))
	return Where(inside, y, kept)
}

// element is number k of a table, [1].
func element(table *Node, k int) *Node { return SliceAxis(table, 0, AxisElem(k)) }

// constant is a value of the float type of x, [1] in each of its axes.
func constant(x *Node, v float64) *Node {
	ones := make([]int, x.Rank())
	for i := range ones {
		ones[i] = 1
	}
	return Reshape(ConstAs(x, v), ones...)
}

// result reads the state of the loop; whatever still runs has the given status.
func result(state []*tensors.Tensor, unfinished Status) *Result {
	ints := func(k int) []int {
		var out []int
		for _, v := range tensors.MustCopyFlatData[int32](state[k]) {
			out = append(out, int(v))
		}
		return out
	}
	r := &Result{X: state[stateX], Accepted: ints(stateAccepted), Rejected: ints(stateRejected)}
	for i, code := range ints(stateStatus) {
		status := Status(code)
		if code == int(running) {
			status = unfinished
		}
		r.Samples = append(r.Samples, status)
		r.Status = max(r.Status, status)
		nfe := 1 + (DormandPrince.stages()-1)*(r.Accepted[i]+r.Rejected[i])
		r.MaxNFE = max(r.MaxNFE, nfe)
		r.NFE += float64(nfe) / float64(state[stateStatus].Size())
	}
	if len(state) > stateAt {
		r.At = split(state[stateAt])
	}
	return r
}

// split takes [m, B, d] apart.
func split(x *tensors.Tensor) []*tensors.Tensor {
	dims := x.Shape().Dimensions
	values := host.Values(x)
	out := make([]*tensors.Tensor, dims[0])
	size := dims[1] * dims[2]
	for i := range out {
		out[i] = host.Tensor(mat.NewDense(dims[1], dims[2], values[i*size:(i+1)*size]), x.DType())
	}
	return out
}

// failure is the error of a solution that did not reach the end, which names its first sample.
func (r *Result) failure(state []*tensors.Tensor, c Control) error {
	if r.Status == Done {
		return nil
	}
	i := slices.IndexFunc(r.Samples, func(s Status) bool { return s != Done })
	t := host.Values(state[stateT])[i]
	who := fmt.Sprintf("sample %d of %d", i, len(r.Samples))
	if c.WholeStep {
		who = "the batch"
	}
	switch r.Samples[i] {
	case MaxSteps:
		return fmt.Errorf("ode: %s is only at t = %g after %d tries of a step, the most allowed; loosen the tolerance or raise MaxSteps", who, t, c.MaxSteps)
	case NonFinite:
		return fmt.Errorf("ode: %s meets a field that is NaN or infinite at t = %g", who, t)
	}
	return fmt.Errorf("ode: %s needs steps too small for %s at t = %g; loosen the tolerance (%g) or use float64", who, state[stateT].DType(), t, c.Rel)
}
