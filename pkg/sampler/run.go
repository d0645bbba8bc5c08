package sampler

import (
	"context"
	"fmt"
	"time"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
)

// Sampler runs methods on one problem and keeps their executables: running again with other knobs, steps, schedule or
// seed compiles nothing. It is not safe for concurrent use.
type Sampler struct {
	backend compute.Backend
	problem Problem
	loops   map[loopKey]*loop.Loop
	begins  map[any]*model.Exec // by Method.Key
	prior   *model.Exec
	tweedie *model.Exec
	lasts   map[any]*model.Exec // by Method.Key
}

// loopKey names a loop.
type loopKey struct {
	method any // Method.Key
	host   bool
}

// New prepares to sample a problem on a backend.
func New(b compute.Backend, p Problem) (*Sampler, error) {
	if b == nil {
		return nil, fmt.Errorf("sampler: no backend")
	}
	if err := p.Validate(); err != nil {
		return nil, err
	}
	return &Sampler{
		backend: b, problem: p, loops: map[loopKey]*loop.Loop{}, begins: map[any]*model.Exec{}, lasts: map[any]*model.Exec{},
	}, nil
}

// Run is New and Sampler.Run in one, for a single run.
func Run(ctx context.Context, b compute.Backend, p Problem, m Method, set Settings) (*Result, error) {
	s, err := New(b, p)
	if err != nil {
		return nil, err
	}
	return s.Run(ctx, m, set)
}

// Problem returns what is sampled.
func (s *Sampler) Problem() Problem { return s.problem }

// Builds counts the executables built for loops so far.
func (s *Sampler) Builds() int {
	n := 0
	for _, l := range s.loops {
		n += l.Builds()
	}
	return n
}

// Run draws N samples with a method, from T down to Eps: Result.X [N, Shape...], for Steps times Method.NFE evaluations of the
// score. If a state stops being finite, it returns the result so far,
// with Status NonFinite, and an error that names the step; if ctx ends, likewise with Status Cancelled.
func (s *Sampler) Run(ctx context.Context, m Method, set Settings) (*Result, error) {
	if s.problem.Score == nil {
		return nil, fmt.Errorf("sampler: Problem.Score is nil, want a score")
	}
	if m == nil {
		return nil, fmt.Errorf("sampler: no method")
	}
	if err := m.Validate(); err != nil {
		return nil, err
	}
	toClean, err := set.lastMean(m)
	if err != nil {
		return nil, err
	}
	grid, err := s.fallingGrid(m, set)
	if err != nil {
		return nil, err
	}
	res, err := s.follow(ctx, m, grid, set)
	switch {
	case err != nil:
	case toClean:
		err = s.finish(m.(PC), res, set.Seed)
	case set.Denoise:
		err = s.denoise(res)
	}
	return res, err
}

// State and inputs of the loop.
const (
	stateX   = iota
	stateBad // first step with a non-finite state, -1 if none
	stateAux // what a Carrier carries

	inputGrid  = 0
	inputKnobs = 1
	inputKey   = 2 // of the noise
)

// follow runs a method along the times of grid, which may rise (Forward) or fall.
func (s *Sampler) follow(ctx context.Context, m Method, grid []float64, set Settings) (*Result, error) {
	start := time.Now()
	x, err := s.start(set)
	if err != nil {
		return nil, err
	}
	inputs := []*tensors.Tensor{s.problem.column(loop.Padded(grid)...), s.knobs(m), noise.Key(set.Seed, stepStream)}
	aux, err := s.begin(m, x, grid[0], inputs[inputKnobs])
	if err != nil {
		return nil, fmt.Errorf("sampler: %s: %w", m, err)
	}
	state := append([]*tensors.Tensor{x, tensors.FromScalar(int32(-1))}, aux...)
	l := s.loop(m, set.HostLoop, len(state))
	r := &Result{Grid: grid, Snapshots: make([]Snapshot, len(set.Snapshots)), X: x}
	n := len(grid) - 1
	for chunk := 16; ; {
		r.keep(set.Snapshots)
		if r.Step == n {
			break
		}
		if ctx.Err() != nil {
			r.Status, r.Elapsed = Cancelled, time.Since(start)
			return r, fmt.Errorf("sampler: stopped after step %d of %d: %w", r.Step, n, context.Cause(ctx))
		}
		began, to := time.Now(), s.until(r.Step, min(r.Step+chunk, n), grid, set.Snapshots)
		if state, err = l.Run(r.Step, to, state, inputs); err != nil {
			return nil, fmt.Errorf("sampler: %s: %w", m, err)
		}
		r.X, r.Aux = state[stateX], state[stateAux:]
		if bad := tensors.ToScalar[int32](state[stateBad]); bad >= 0 {
			r.NFE += (int(bad) + 1 - r.Step) * m.NFE()
			r.Status, r.Step, r.Elapsed = NonFinite, int(bad), time.Since(start)
			return r, fmt.Errorf("sampler: %s: a sample is NaN or infinite after step %d of %d, t = %g", m, bad+1, n, grid[bad+1])
		}
		r.NFE += (to - r.Step) * m.NFE()
		r.Step = to
		chunk = loop.NextChunk(chunk, time.Since(began))
		if set.Progress != nil {
			set.Progress(to, n, fmt.Sprintf("t = %.3g", grid[to]))
		}
	}
	r.Elapsed = time.Since(start)
	return r, nil
}

// keep stores the present state as those snapshots whose time it is.
func (r *Result) keep(times []float64) {
	for k, t := range times {
		if nearest(r.Grid, t) == r.Step {
			r.Snapshots[k] = Snapshot{T: r.Grid[r.Step], X: r.X}
		}
	}
}

// until cuts a chunk [from, to) at the first snapshot inside it.
func (s *Sampler) until(from, to int, grid, snapshots []float64) int {
	for _, t := range snapshots {
		if i := nearest(grid, t); i > from && i < to {
			to = i
		}
	}
	return to
}

// begin computes what a Carrier carries at the start.
func (s *Sampler) begin(m Method, x *tensors.Tensor, t float64, knobs *tensors.Tensor) ([]*tensors.Tensor, error) {
	c, ok := m.(Carrier)
	if !ok {
		return nil, nil
	}
	exec := s.begins[m.Key()]
	if exec == nil {
		var err error
		exec, err = model.NewExec(s.backend, model.NewStore(), func(_ *model.Scope, x, t, knobs *Node) []*Node {
			defer backend.PanicWithError()
			return c.Begin(&s.problem, x, t, values(knobs, len(m.Knobs())))
		})
		if err != nil {
			return nil, err
		}
		s.begins[m.Key()] = exec
	}
	return exec.Call(x, s.problem.column(t), knobs)
}

// values takes the first n elements of a table apart, [1] each.
func values(table *Node, n int) []*Node {
	out := make([]*Node, n)
	for k := range out {
		out[k] = at(table, Const(table.Graph(), int32(k)))
	}
	return out
}

// at is element index of a table, [1].
func at(table, index *Node) *Node { return Gather(table, Reshape(index, 1, 1)) }

// loop returns the loop for methods of m's structure, whose state has the given number of tensors.
func (s *Sampler) loop(m Method, host bool, states int) *loop.Loop {
	key := loopKey{m.Key(), host}
	if l := s.loops[key]; l != nil {
		return l
	}
	knobs := len(m.Knobs())
	l := loop.New(s.backend, nil, states, func(_ *model.Scope, i *Node, state, inputs []*Node) []*Node {
		t, tNext := at(inputs[inputGrid], i), at(inputs[inputGrid], Add(i, Const(i.Graph(), int32(1))))
		rng := noise.At(inputs[inputKey], i)
		x, aux := m.Step(&s.problem, rng, state[stateX], t, tNext, state[stateAux:], values(inputs[inputKnobs], knobs))
		broken := And(LogicalNot(IsFinite(ReduceAllSum(x))), LessThan(state[stateBad], Const(i.Graph(), int32(0))))
		return append([]*Node{x, Where(broken, i, state[stateBad])}, aux...)
	})
	if host {
		l.OnHost()
	}
	s.loops[key] = l
	return l
}

// start checks Settings.Init or draws from the prior.
func (s *Sampler) start(set Settings) (*tensors.Tensor, error) {
	want := s.problem.shape()
	if set.Init != nil {
		if !set.Init.Shape().Equal(want) {
			return nil, fmt.Errorf("sampler: Settings.Init has shape %s, want %s", set.Init.Shape(), want)
		}
		if err := host.FiniteTensor("Settings.Init", set.Init); err != nil {
			return nil, fmt.Errorf("sampler: %w", err)
		}
		return set.Init, nil
	}
	if s.prior == nil {
		exec, err := model.NewExec(s.backend, model.NewStore(), func(_ *model.Scope, key *Node) *Node {
			defer backend.PanicWithError()
			return MulScalar(noise.At(key, nil).Normal(want), s.problem.SDE.PriorStd())
		})
		if err != nil {
			return nil, err
		}
		s.prior = exec
	}
	return s.prior.Call1(noise.Key(set.Seed, startStream))
}

// The streams of a seed, so that nothing shares noise.
const (
	lawStream   = iota // the start of Backward, on the host
	stepStream         // the steps
	startStream        // the start of Run
	lastStream         // the corrections before the step to noise 0
)

// denoise replaces the last state by the posterior mean at the last time.
func (s *Sampler) denoise(r *Result) error {
	if s.tweedie == nil {
		exec, err := model.NewExec(s.backend, model.NewStore(), func(_ *model.Scope, x, t *Node) *Node {
			return score.Denoiser(s.problem.Score, s.problem.SDE)(x, t)
		})
		if err != nil {
			return err
		}
		s.tweedie = exec
	}
	x, err := s.tweedie.Call1(r.X, s.problem.column(r.Grid[len(r.Grid)-1]))
	if err != nil {
		return fmt.Errorf("sampler: final denoising step: %w", err)
	}
	r.X = x
	r.NFE++
	return nil
}
