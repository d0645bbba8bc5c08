package train

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"path/filepath"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/run"
)

// FitAll trains the scores of all configurations side by side in one executable and returns them; Compatible says which
// ones can be members of one ensemble. Training is denoising score matching as Fit's with random numbers of its own, which
// depend on a member's seed alone: a member of many is, up to the rounding of the matrix products, what it is alone, in
// whatever place. A member whose loss or gradient stops being finite stands still from that step on, and the others go on.
//
// FitAll is idempotent and goes on after an interruption as Fit does, to the last bit. To train several ensembles use one
// Trainer.
func FitAll(ctx context.Context, cfgs []Config, data mat.Matrix, set Settings) (*Ensemble, error) {
	return NewTrainer(set.Backend).Fit(ctx, cfgs, data, set)
}

// Fit is FitAll on the trainer's executables. set.Backend has to be nil or the trainer's.
func (t *Trainer) Fit(ctx context.Context, cfgs []Config, data mat.Matrix, set Settings) (*Ensemble, error) {
	if set.Backend != nil && set.Backend != t.backend {
		return nil, errors.New("train: Settings.Backend is another than the trainer's, want nil")
	}
	if err := compatible(cfgs); err != nil {
		return nil, err
	}
	std, err := checkData(data)
	if err != nil {
		return nil, err
	}
	id, err := ensembleID(cfgs, data)
	if err != nil {
		return nil, err
	}
	if set.Dir == "" {
		set.Dir = filepath.Join(run.Results(), "runs")
	}
	a := &assembly{Settings: set, cfgs: cfgs, id: id, dir: filepath.Join(set.Dir, "ensemble-"+id)}
	if err := a.load(); err != nil {
		return nil, err
	}
	loaded := a.stack != nil && a.done()
	if !loaded {
		if err := t.train(ctx, a, std, data); err != nil {
			return nil, err
		}
	}
	return a.finished(std, loaded)
}

// ensembleID identifies the members, in order, and the data.
func ensembleID(cfgs []Config, data mat.Matrix) (string, error) {
	h := sha256.New()
	fmt.Fprintf(h, "ensemble %d\n", ensembleVersion)
	seen := map[string]int{}
	for k, c := range cfgs {
		id, err := c.id()
		if err != nil {
			return "", err
		}
		if first, twice := seen[id]; twice {
			return "", fmt.Errorf("train: members %d and %d are the same, want each once", first, k)
		}
		seen[id] = k
		fmt.Fprintln(h, id)
	}
	return Recipe{}.id(h, []mat.Matrix{data}), nil
}

// ensembleVersion changes when the same configurations would train something else.
const ensembleVersion = 1

// assembly is an ensemble at work.
type assembly struct {
	Settings
	cfgs     []Config
	id, dir  string
	stack    *stack // at the step of the record; nil before the first
	steps    int
	progress ensembleRecord
}

// ensembleRecord is what a checkpoint holds besides the stack.
type ensembleRecord struct {
	ID      string
	Losses  [][]LossPoint // by member
	Bad     []int         // first bad step of each member, -1 for none
	Seconds float64
}

// done says that there is nothing to train any more.
func (a *assembly) done() bool {
	if a.steps >= a.cfgs[0].Steps {
		return true
	}
	for _, bad := range a.progress.Bad {
		if bad < 0 {
			return false
		}
	}
	return true
}

// load reads the newest checkpoint, if there is one.
func (a *assembly) load() error {
	store := model.NewStore()
	var past ensembleRecord
	step, err := run.Load(a.dir, store, &past)
	switch {
	case errors.Is(err, run.ErrNoCheckpoint):
		return nil
	case err != nil:
		return err
	case past.ID != a.id:
		return fmt.Errorf("train: the checkpoint in %s belongs to ensemble %q, want %q; remove the folder", a.dir, past.ID, a.id)
	case len(past.Losses) != len(a.cfgs) || len(past.Bad) != len(a.cfgs):
		return fmt.Errorf("train: the checkpoint in %s is of %d members, want %d; remove the folder", a.dir, len(past.Losses), len(a.cfgs))
	}
	a.steps, a.progress = step, past
	a.stack, err = stackFrom(store, len(a.cfgs), a.done())
	return err
}

func (a *assembly) save() error {
	store, err := a.stack.store(a.done())
	if err != nil {
		return err
	}
	return run.Save(a.dir, store, a.steps, a.progress)
}

// begin gives the members their initial weights.
func (a *assembly) begin(layers []layer) {
	a.stack = newStack(layers, len(a.cfgs))
	a.stack.initialise(a.cfgs)
	a.progress = ensembleRecord{ID: a.id, Losses: make([][]LossPoint, len(a.cfgs)), Bad: make([]int, len(a.cfgs))}
	for m := range a.progress.Bad {
		a.progress.Bad[m] = -1
	}
}

// turn is a group of members that train side by side.
type turn struct {
	members       []int
	state, inputs []*tensors.Tensor
}

// train takes the remaining steps.
func (t *Trainer) train(ctx context.Context, a *assembly, std float64, data mat.Matrix) error {
	if ctx.Err() != nil {
		return a.interrupted(ctx)
	}
	if err := t.open(); err != nil {
		return err
	}
	c := a.cfgs[0]
	_, d := data.Dims()
	layers, err := t.layersOf(c.Net.(eachNet), d)
	if err != nil {
		return err
	}
	if a.stack == nil {
		a.begin(layers)
	}
	if err := run.Folder(a.dir); err != nil {
		return err
	}
	groups := turns(len(a.cfgs))
	l := t.loop(c, len(groups[0]), std, layers, data)
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
	saved, chunk, total := time.Now(), 1, a.cfgs[0].Steps
	for !a.done() {
		if ctx.Err() != nil {
			if err := a.take(groups); err != nil {
				return err
			}
			return a.interrupted(ctx)
		}
		to, next := min(a.steps+chunk, total), chunk
		for k, g := range groups {
			start := time.Now()
			if err := a.chunk(l, g, to); err != nil {
				return fmt.Errorf("train: %w", err)
			}
			took := time.Since(start)
			a.progress.Seconds += took.Seconds()
			if k == len(groups)-1 { // the first one may have compiled
				next = loop.NextChunk(chunk, took)
			}
		}
		a.steps, chunk = to, next
		a.report()
		if time.Since(saved) > checkpointTime && !a.done() {
			if err := a.take(groups); err != nil {
				return err
			}
			if err := a.save(); err != nil {
				return err
			}
			saved = time.Now()
		}
	}
	if err := a.take(groups); err != nil {
		return err
	}
	return a.save()
}

// chunk takes a group to step `to` and notes its losses and failures.
func (a *assembly) chunk(l *loop.Loop, g *turn, to int) error {
	k := len(g.members)
	sums, bad := make([]float32, k), make([]int32, k)
	for i, m := range g.members {
		bad[i] = int32(a.progress.Bad[m])
	}
	state := append(g.state[:len(g.state):len(g.state)], tensors.FromValue(sums), tensors.FromValue(bad))
	state, err := l.Run(a.steps, to, state, g.inputs)
	if err != nil {
		return err
	}
	g.state = state[:len(g.state)]
	sums, bad = tensors.MustCopyFlatData[float32](state[len(g.state)]), tensors.MustCopyFlatData[int32](state[len(g.state)+1])
	for i, m := range g.members {
		if m < g.members[0] {
			continue // fills the group
		}
		taken := to
		if bad[i] >= 0 {
			taken = int(bad[i])
		}
		a.progress.Bad[m] = int(bad[i])
		if n := taken - a.steps; n > 0 {
			a.progress.Losses[m] = append(a.progress.Losses[m], LossPoint{taken, float64(sums[i]) / float64(n)})
		}
	}
	return nil
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

// report tells of the mean loss of the members that went on.
func (a *assembly) report() {
	sum, n := 0.0, 0
	for _, losses := range a.progress.Losses {
		if k := len(losses) - 1; k >= 0 && losses[k].Step == a.steps {
			sum, n = sum+losses[k].Loss, n+1
		}
	}
	if n == 0 {
		return
	}
	if a.OnLoss != nil {
		a.OnLoss(a.steps, sum/float64(n))
	}
	if a.Progress != nil {
		a.Progress(a.steps, a.cfgs[0].Steps, fmt.Sprintf("loss %.4f, mean of %d", sum/float64(n), n))
	}
}

// interrupted keeps what was done. The error tells a person how to go on.
func (a *assembly) interrupted(ctx context.Context) error {
	if a.steps == 0 {
		return fmt.Errorf("train: ensemble stopped before the first step: %w", context.Cause(ctx))
	}
	if err := a.save(); err != nil {
		return errors.Join(err, context.Cause(ctx))
	}
	return fmt.Errorf("train: ensemble stopped after step %d of %d, checkpoint saved; run again to go on: %w", a.steps, a.cfgs[0].Steps, context.Cause(ctx))
}
