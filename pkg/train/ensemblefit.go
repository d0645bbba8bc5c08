package train

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
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
	if set.CheckpointEvery < 0 {
		return nil, unusable("CheckpointEvery", set.CheckpointEvery, ">= 0")
	}
	a := &assembly{Settings: set, cfgs: cfgs, id: id, dir: filepath.Join(set.Dir, "ensemble-"+id)}
	loaded, err := a.load()
	if err != nil {
		return nil, err
	}
	if !loaded {
		if loaded, err = t.work(ctx, a, std, data); err != nil {
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
	trial    *run.Trial
}

// ensembleRecord is what a checkpoint holds besides the stack.
type ensembleRecord struct {
	ID      string
	Losses  [][]LossPoint // by member
	Partial []float32     // by member: sum of the losses since the last point
	Bad     []int         // first bad step of each member, -1 for none
	Seconds float64
}

// done says that there is nothing to train any more.
func (a *assembly) done() bool {
	return a.steps >= a.cfgs[0].Steps || a.stack != nil && !slices.Contains(a.progress.Bad, -1)
}

// load reads the newest checkpoint, if there is one, and tells whether it is of a finished ensemble.
func (a *assembly) load() (finished bool, err error) {
	store := model.NewStore()
	var past ensembleRecord
	step, err := run.Load(a.dir, store, &past)
	switch k := len(a.cfgs); {
	case errors.Is(err, run.ErrNoCheckpoint):
		return false, nil
	case err != nil:
		return false, err
	case past.ID != a.id:
		return false, fmt.Errorf("train: the checkpoint in %s belongs to ensemble %q, want %q; remove the folder", a.dir, past.ID, a.id)
	case len(past.Losses) != k || len(past.Partial) != k || len(past.Bad) != k:
		return false, fmt.Errorf("train: the checkpoint in %s is of %d members, want %d; remove the folder", a.dir, len(past.Losses), k)
	}
	finished = step >= a.cfgs[0].Steps || !slices.Contains(past.Bad, -1)
	if a.stack, err = stackFrom(store, len(a.cfgs), finished); err != nil {
		return false, err
	}
	a.steps, a.progress = step, past
	return finished, nil
}

func (a *assembly) save() error {
	if err := a.trial.Held(); err != nil {
		return err
	}
	store, err := a.stack.store(a.done())
	if err != nil {
		return err
	}
	return run.Save(a.dir, store, a.steps, a.progress)
}

// begin gives the members their initial weights.
func (a *assembly) begin(layers []layer) {
	k := len(a.cfgs)
	a.stack = newStack(layers, k)
	a.stack.initialise(a.cfgs)
	a.progress = ensembleRecord{ID: a.id, Losses: make([][]LossPoint, k), Partial: make([]float32, k), Bad: slices.Repeat([]int{-1}, k)}
}

// ensembleConfig is the config of an ensemble's folder.
type ensembleConfig struct {
	ID      string
	Version int
	What    string // what the members share, for people
	Members []Recipe
}

// work trains what is left to train, as the only process at work in the folder. It tells whether another one has finished
// the ensemble meanwhile.
func (t *Trainer) work(ctx context.Context, a *assembly, std float64, data mat.Matrix) (loaded bool, err error) {
	if ctx.Err() != nil {
		return false, fmt.Errorf("train: ensemble stopped before it started: %w", context.Cause(ctx))
	}
	if err := t.open(); err != nil {
		return false, err
	}
	_, d := data.Dims()
	layers, err := t.layersOf(a.cfgs[0].Net.(eachNet), d)
	if err != nil {
		return false, err
	}
	h := sha256.New()
	hashTable(h, data)
	config := ensembleConfig{ID: a.id, Version: ensembleVersion, What: a.cfgs[0].structure().String()}
	options := run.Options{Data: map[string]string{tableNames[0]: fmt.Sprintf("%x", h.Sum(nil))}, Backend: t.backend.String(), Device: t.backend.Description()}
	for _, c := range a.cfgs {
		config.Members, options.Seeds = append(config.Members, c.Recipe), append(options.Seeds, c.Seed)
	}
	a.trial, err = claim(ctx, a.dir, config, options, a.load)
	if err != nil || a.trial == nil {
		return a.trial == nil, err
	}
	err = t.train(ctx, a, std, data, layers)
	return false, errors.Join(err, a.trial.Close(err))
}

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
