package train

import (
	"fmt"
	"slices"
	"time"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Ensemble are trained scores of one structure. Each member serves on its own, as an ordinary model; Func and Process serve
// all at once, on batches that hold the rows of the members side by side.
type Ensemble struct {
	Members []*Fitted // in the order of the configurations; the time of each is its share
	Failed  []error   // by member: nil, or at which step its training stopped being finite
	Dir     string    // of the checkpoint
	Elapsed time.Duration
	Loaded  bool // the training had been finished before

	name   string
	cfgs   []Config
	std    float64
	layers []layer
	store  *model.Store // averaged weights of all members, and the numbers of their processes
}

// finished turns the stack into models.
func (a *assembly) finished(std float64, loaded bool) (*Ensemble, error) {
	e := &Ensemble{
		Dir: a.dir, Elapsed: time.Duration(a.progress.Seconds * float64(time.Second)), Loaded: loaded,
		name: "ensemble-" + a.id, cfgs: a.cfgs, std: std, layers: a.stack.layers, store: model.NewStore(),
	}
	for m := range a.cfgs {
		f, err := a.member(m, std, loaded)
		if err != nil {
			return nil, err
		}
		e.Members = append(e.Members, f)
		var failed error
		if bad := a.progress.Bad[m]; bad >= 0 {
			failed = fmt.Errorf("train: member %d: loss or gradient is not finite at step %d; the weights before it are kept", m, bad)
		}
		e.Failed = append(e.Failed, failed)
	}
	for k, l := range e.layers {
		if err := constant(e.store, e.path(l.path), a.stack.values[kindAverage][k], append([]int{len(a.cfgs)}, l.dims...)...); err != nil {
			return nil, err
		}
	}
	return e, e.keepNumbers()
}

// member is one of them as a model of its own.
func (a *assembly) member(m int, std float64, loaded bool) (*Fitted, error) {
	c := a.cfgs[m]
	id, err := c.id()
	if err != nil {
		return nil, err
	}
	f := &Fitted{Model: c.model(std, id)}
	f.Name += "-of-" + a.id
	steps := a.steps
	if bad := a.progress.Bad[m]; bad >= 0 {
		steps = bad
	}
	f.Course = Course{
		Dir: a.dir, Steps: steps, Losses: a.progress.Losses[m], Loaded: loaded,
		Elapsed: time.Duration(a.progress.Seconds / float64(len(a.cfgs)) * float64(time.Second)),
	}
	for scope, kind := range map[string]int{f.Scope(): kindWeights, f.EMAScope(): kindAverage} {
		for k, l := range a.stack.layers {
			if err := constant(f.Store, scope+"/"+l.path, a.stack.member(kind, k, m), l.dims...); err != nil {
				return nil, err
			}
		}
	}
	return f, nil
}

// constant makes a variable that nothing trains.
func constant[T float32 | float64](s *model.Store, path string, flat []T, dims ...int) error {
	v, err := s.CreateVariable(path, tensors.FromFlatDataAndDimensions(flat, dims...))
	if err != nil {
		return fmt.Errorf("train: %w", err)
	}
	v.SetTrainable(false)
	return nil
}

const numbersPath = "numbers"

// keepNumbers stores the numbers of the processes, [numbers, members], unless all have one process.
func (e *Ensemble) keepNumbers() error {
	if !e.different() {
		return nil
	}
	var table []float64
	for m, c := range e.cfgs {
		_, numbers, _ := sde.Numbers(c.Objective.Process())
		if m == 0 {
			table = make([]float64, len(numbers)*len(e.cfgs))
		}
		for k, v := range numbers {
			table[k*len(e.cfgs)+m] = v
		}
	}
	return constant(e.store, e.path(numbersPath), table, len(table)/len(e.cfgs), len(e.cfgs))
}

// different says whether members have different numbers.
func (e *Ensemble) different() bool {
	_, first, _ := sde.Numbers(e.cfgs[0].Objective.Process())
	return slices.ContainsFunc(e.cfgs, func(c Config) bool {
		_, numbers, _ := sde.Numbers(c.Objective.Process())
		return !slices.Equal(numbers, first)
	})
}

func (e *Ensemble) path(name string) string { return "/" + e.name + "/" + name }

// variable is a variable of the ensemble in the graph of x.
func (e *Ensemble) variable(x *Node, name string) *Node {
	loop.Use(x, e.store)
	return e.store.GetVariable(e.path(name)).NodeValue(x)
}

// Func is the score of all members with their averaged weights: of the rows of x [K n, d] those k n <= i < (k+1) n are given
// to member k, each under its own process; t is [K n] or [1].
func (e *Ensemble) Func() score.Func {
	members := len(e.Members)
	c := e.cfgs[0]
	return func(x, t *Node) *Node {
		rows := x.Shape().Dim(0)
		if rows%members != 0 {
			panic(fmt.Errorf("train: an ensemble of %d got x %s, want as many rows for each member", members, x.Shape()))
		}
		return c.Parametrisation.Wrap(e.process(rows/members), e.std, func(in, noise *Node) *Node {
			return c.Net.(eachNet).ApplyEach(members, func(path string, _ ...int) *Node {
				return ConvertDType(e.variable(in, path), in.DType())
			}, in, noise)
		})(x, t)
	}
}

// Process is the process of all members for batches of n rows each, with coefficients [K n], as sampling needs it together
// with Func and as many Groups as members. Members whose times differ have no process in common.
func (e *Ensemble) Process(n int) (sde.SDE, error) {
	if n < 1 {
		return nil, fmt.Errorf("train: a process for %d rows per member, want at least one", n)
	}
	first := e.cfgs[0].Objective.Process().Span()
	for m, c := range e.cfgs {
		if span := c.Objective.Process().Span(); span != first {
			return nil, fmt.Errorf("train: members 0 and %d have times [%g, %g] and [%g, %g], want the same to sample them together", m, first.Eps, first.T, span.Eps, span.T)
		}
	}
	return e.process(n), nil
}

// process is that of the members, n rows each; simply the process where it is one.
func (e *Ensemble) process(n int) sde.SDE {
	s := e.cfgs[0].Objective.(objective.DSM).SDE
	if e.store.GetVariable(e.path(numbersPath)) == nil {
		return s
	}
	members := len(e.cfgs)
	p, err := sde.WithNumbers(s, func(k int, like *Node) *Node {
		v := SliceAxis(e.variable(like, numbersPath), 0, AxisElem(k))
		v = ConvertDType(Reshape(v, members, 1), like.DType())
		return Reshape(BroadcastToDims(v, members, n), members*n)
	})
	if err != nil {
		panic(err)
	}
	return p
}
