package train

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/run"
)

// turn is a group of members that train side by side.
type turn struct {
	members       []int
	state, inputs []*tensors.Tensor
}

// train takes the remaining steps.
func (t *Trainer) train(ctx context.Context, a *assembly, std float64, data mat.Matrix, layers []layer) error {
	if finished, err := a.load(); err != nil || finished { // under the lock
		return err
	}
	if a.stack == nil {
		a.begin(layers)
	}
	if err := a.trial.Rewrite(a.metrics(0)); err != nil {
		return err
	}
	groups := turns(len(a.cfgs))
	l := t.loop(a.cfgs[0], len(groups[0]), std, layers, data)
	table, all := upload(data), make([]*turn, len(groups))
	for k, members := range groups {
		own := make([]Config, len(members))
		for i, m := range members {
			own[i] = a.cfgs[m]
		}
		all[k] = &turn{members, a.stack.tensors(members), t.inputs(own, table)}
	}
	return a.advance(ctx, l, all)
}

// advance takes the steps in chunks, each group in its turn.
func (a *assembly) advance(ctx context.Context, l *loop.Loop, groups []*turn) error {
	saved, chunk := time.Now(), 1
	for !a.done() {
		if ctx.Err() != nil {
			if err := a.take(groups); err != nil {
				return err
			}
			return a.interrupted(ctx)
		}
		to, next, sum, going := min(a.steps+chunk, a.cfgs[0].Steps), chunk, 0.0, 0
		if n := a.CheckpointEvery; n > 0 {
			to = min(to, (a.steps/n+1)*n)
		}
		for _, g := range groups {
			start := time.Now()
			part, n, err := a.chunk(l, g, to)
			if err != nil {
				return fmt.Errorf("train: %w", err)
			}
			took := time.Since(start)
			a.progress.Seconds += took.Seconds()
			sum, going, next = sum+part, going+n, loop.NextChunk(chunk, took) // the first group may have compiled
		}
		before := a.steps
		a.steps, chunk = to, next
		for _, p := range a.metrics(before) {
			if err := a.trial.Log(p.Step, p.Values); err != nil {
				return err
			}
		}
		a.report(sum/float64(going), going)
		if !a.done() && due(a.Settings, a.steps, saved) {
			if err := a.keep(groups); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	return a.keep(groups)
}

// keep writes a checkpoint.
func (a *assembly) keep(groups []*turn) error {
	if err := a.take(groups); err != nil {
		return err
	}
	return a.save()
}

// chunk takes a group to step `to` and notes its losses and failures. It returns the sum of the mean losses of those
// members that went on to the end, and their number.
func (a *assembly) chunk(l *loop.Loop, g *turn, to int) (sum float64, going int, err error) {
	c, k := a.cfgs[0].Recipe, len(g.members)
	points := c.points()
	sums, bad, known := make([]float32, 0, k*points), make([]int32, k), make([]float64, k)
	for i, m := range g.members {
		b := a.progress.Bad[m]
		own := tensors.MustCopyFlatData[float32](c.lossSums(taken(a.steps, b), a.progress.Partial[m]))
		sums, bad[i], known[i] = append(sums, own...), int32(b), total(own)
	}
	state := append(slices.Clip(g.state), tensors.FromFlatDataAndDimensions(sums, k, points), tensors.FromValue(bad))
	state, err = l.Run(a.steps, to, state, g.inputs)
	if err != nil {
		return 0, 0, err
	}
	g.state = state[:len(g.state)]
	sums, bad = tensors.MustCopyFlatData[float32](state[len(g.state)]), tensors.MustCopyFlatData[int32](state[len(g.state)+1])
	p := &a.progress
	for i, m := range g.members {
		if m < g.members[0] {
			continue // fills the group
		}
		own := sums[i*points : (i+1)*points]
		p.Bad[m] = int(bad[i])
		p.Losses[m], p.Partial[m] = c.losses(p.Losses[m], own, taken(to, p.Bad[m]))
		if p.Bad[m] < 0 {
			sum, going = sum+(total(own)-known[i])/float64(to-a.steps), going+1
		}
	}
	return sum, going, nil
}

// taken is the number of steps that a member has taken whose first bad step is given, -1 for none.
func taken(steps, bad int) int {
	if bad >= 0 {
		return bad
	}
	return steps
}

// metrics are the points of the losses since a step, each the mean of the members that reached it; all of them for step 0.
func (a *assembly) metrics(since int) []run.Point {
	sums, counts := map[int]float64{}, map[int]int{}
	for _, losses := range a.progress.Losses {
		for _, p := range losses {
			sums[p.Step] += p.Loss
			counts[p.Step]++
		}
	}
	var points []run.Point
	for _, step := range slices.Sorted(maps.Keys(sums)) {
		if step > since {
			points = append(points, LossPoint{step, sums[step] / float64(counts[step])}.metrics())
		}
	}
	return points
}

// take brings the state of all members to the host.
func (a *assembly) take(groups []*turn) error {
	for _, g := range groups {
		if err := a.stack.take(g.members, g.state); err != nil {
			return err
		}
	}
	return nil
}

// report tells of the mean loss of the members that went on, n of them.
func (a *assembly) report(loss float64, n int) {
	if n == 0 {
		return
	}
	if a.OnLoss != nil {
		a.OnLoss(a.steps, loss)
	}
	if a.Progress != nil {
		a.Progress(a.steps, a.cfgs[0].Steps, fmt.Sprintf("loss %.4f, mean of %d", loss, n))
	}
}
