package train

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/internal/loop"
)

// Pool keeps the compiled steps of trainings. Trainings that differ only in the numbers of their Recipe (Batch aside) and in
// the values of their data, of one shape and one standard deviation, take turns on one executable, so that of a sweep over
// learning rates and seeds only the first compiles. The zero value is empty. It is safe for concurrent use.
type Pool struct {
	mu    sync.Mutex
	steps []*stepper // the most recently used last
}

// NewPool returns an empty pool.
func NewPool() *Pool { return &Pool{} }

// poolSize bounds the memory for executables.
const poolSize = 8

// compile prepares the loop, which compiles at its first use.
func (s *stepper) compile(b compute.Backend) *stepper {
	s.backend, s.loop = b, loop.New(b, s.store, states, s.step)
	return s
}

// compiled is how long that took, 0 before the first use.
func (s *stepper) compiled() time.Duration { return s.loop.Compiled() }

// stepper is the one of the run, its own or that of the pool for its form, with its inputs.
func (t *training) stepper(set Settings) (s *stepper, inputs []*tensors.Tensor, err error) {
	if inputs, err = t.inputs(set.Backend); err != nil {
		return nil, nil, err
	}
	own := t.bind(t.store, t.folder(t.id)).compile(set.Backend)
	if set.Pool == nil {
		return own, inputs, nil
	}
	if err := own.loop.Create(t.startState(), inputs); err != nil {
		return nil, nil, fmt.Errorf("train: %w", err)
	}
	t.weights = own
	s, err = set.Pool.stepper(set.Backend, t)
	return s, inputs, err
}

func (p *Pool) stepper(b compute.Backend, t *training) (*stepper, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	for k, s := range p.steps {
		if s.form == t.form && s.backend == b {
			p.steps = append(append(p.steps[:k:k], p.steps[k+1:]...), s)
			return s, nil
		}
	}
	s := t.bind(model.NewStore(), "pool").compile(b)
	s.form = t.form
	if err := t.seed(s.store); err != nil {
		return nil, fmt.Errorf("train: %w", err)
	}
	p.steps = append(p.steps[max(0, len(p.steps)+1-poolSize):], s)
	return s, nil
}

// run takes steps of a run, whose variables come into the executable's store for that time.
func (s *stepper) run(t *training, from, to int, state, inputs []*tensors.Tensor) ([]*tensors.Tensor, error) {
	if s.store == t.store {
		return s.loop.Run(from, to, state, inputs)
	}
	s.turn.Lock()
	defer s.turn.Unlock()
	if err := s.loop.Create(state, inputs); err != nil {
		return nil, err
	}
	if err := s.exchange(t, func(pooled, own *model.Variable) error { return hand(own, pooled) }); err != nil {
		return nil, err
	}
	state, err := s.loop.Run(from, to, state, inputs)
	if err != nil {
		return nil, err
	}
	return state, s.exchange(t, func(pooled, own *model.Variable) error { return hand(pooled, own) })
}

// exchange visits the executable's variables with those of the run.
func (s *stepper) exchange(t *training, visit func(pooled, own *model.Variable) error) error {
	for v := range s.store.IterVariables() {
		own := t.store.GetVariable(s.pathIn(t.weights, v.Path()))
		if own == nil {
			return fmt.Errorf("train: the run has no variable for %s", v.Path())
		}
		if err := visit(v, own); err != nil {
			return fmt.Errorf("train: %s: %w", own.Path(), err)
		}
	}
	return nil
}

// pathIn is the path in another store of the same structure.
func (s *stepper) pathIn(other *stepper, path string) string {
	if rest, ok := strings.CutPrefix(path, "/"+s.name+"/"); ok {
		return "/" + other.name + "/" + rest
	}
	return path
}

// hand gives a variable the value of another one, which keeps it until it gets a new one.
func hand(from, to *model.Variable) error {
	value, err := from.Value()
	if err != nil {
		return err
	}
	return to.SetValuePreservingOld(value)
}
