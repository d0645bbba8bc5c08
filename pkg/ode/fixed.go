package ode

import (
	"context"
	"fmt"
	"time"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Steps returns the times of n equal steps between two times.
func Steps(n int, from, to float64) []float64 {
	grid := make([]float64, n+1)
	for i := range grid {
		grid[i] = from + float64(i)/float64(n)*(to-from)
	}
	grid[n] = to
	return grid
}

// Fixed integrates from x [B, d] along the times of grid, at least two, which rise or fall. If a state stops being
// finite, it returns what it has, with Status NonFinite, and an error that names the step; if ctx ends, likewise with
// Status Cancelled.
func (s *Solver) Fixed(ctx context.Context, m Method, x *tensors.Tensor, grid []float64) (*Result, error) {
	if err := checkStart(x); err != nil {
		return nil, err
	}
	if err := checkGrid(grid); err != nil {
		return nil, err
	}
	if m.stages() == 0 {
		return nil, fmt.Errorf("ode: the method is empty, want one of %v", Methods())
	}
	start, n := time.Now(), len(grid)-1
	inputs := []*tensors.Tensor{host.Column(loop.Padded(grid), x.DType())}
	state := []*tensors.Tensor{x, tensors.FromScalar(int32(-1))}
	r, l := &Result{X: x}, s.fixed(m)
	for done, chunk := 0, 16; done < n; {
		if ctx.Err() != nil {
			r.Status = Cancelled
			return r, fmt.Errorf("ode: stopped after step %d of %d: %w", done, n, context.Cause(ctx))
		}
		began, to := time.Now(), min(done+chunk, n)
		var err error
		if state, err = l.Run(done, to, state, inputs); err != nil {
			return nil, fmt.Errorf("ode: %s: %w", m, err)
		}
		r.X, r.Elapsed = state[0], time.Since(start)
		if bad := int(tensors.ToScalar[int32](state[1])); bad >= 0 {
			r.Status = NonFinite
			return r, fmt.Errorf("ode: %s: a state is NaN or infinite after step %d of %d, t = %g", m, bad+1, n, grid[bad+1])
		}
		done = to
		r.Accepted, r.MaxNFE, r.NFE = []int{done}, done*m.stages(), float64(done*m.stages())
		chunk = loop.NextChunk(chunk, time.Since(began))
	}
	return r, nil
}

// fixed is the loop of a method with fixed steps.
func (s *Solver) fixed(m Method) *loop.Loop {
	key := "fixed " + m.Name
	if s.loops[key] == nil {
		s.loops[key] = loop.New(s.backend, nil, 2, func(_ *model.Scope, i *Node, state, inputs []*Node) []*Node {
			x, bad := state[0], state[1]
			at := func(i *Node) *Node { return Gather(inputs[0], Reshape(i, 1, 1)) }
			t := at(i)
			h := Sub(at(Add(i, Const(i.Graph(), int32(1)))), t)
			x = Add(x, Mul(sde.Like(h, x), combine(m.b, s.stages(m, x, t, h, nil))))
			broken := And(LogicalNot(IsFinite(ReduceAllSum(x))), LessThan(bad, Const(i.Graph(), int32(0))))
			return []*Node{x, Where(broken, i, bad)}
		})
	}
	return s.loops[key]
}

// checkGrid wants at least two finite times that rise or fall.
func checkGrid(grid []float64) error {
	if len(grid) < 2 {
		return fmt.Errorf("ode: got a grid of %d times, want at least 2", len(grid))
	}
	for i, t := range grid {
		if err := checkTime(fmt.Sprintf("time %d of the grid", i), t); err != nil {
			return err
		}
	}
	for i := 2; i < len(grid); i++ {
		if (grid[i]-grid[i-1])*(grid[1]-grid[0]) <= 0 {
			return fmt.Errorf("ode: times %g, %g of the grid break its direction, want times that rise or fall throughout", grid[i-1], grid[i])
		}
	}
	if grid[1] == grid[0] {
		return fmt.Errorf("ode: the first two times of the grid are both %g, want different ones", grid[0])
	}
	return nil
}
