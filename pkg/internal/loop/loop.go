// Package loop repeats a graph step many times. On XLA the whole loop is one While inside one executable, so that a
// step costs microseconds instead of a call into PJRT; on the Go engine, whose While bodies cannot hold gradients, the
// host drives the same step, and so it does on XLA for a CPU where the step holds convolutions that would be slow inside a
// While. Samplers and training use it alike.
package loop

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/backend"
)

// Step builds one iteration: from the iteration's number i (int32 scalar), the state and the inputs that do not change,
// to the next state, of the same shapes. It may read and change variables of the store. Randomness is part of the
// state. A Step must use nothing of an outer graph: whatever it needs comes in as state, input or variable.
type Step func(scope *model.Scope, i *Node, state, inputs []*Node) []*Node

// Loop is a compiled (on first use) loop over a Step.
type Loop struct {
	backend compute.Backend
	store   *model.Store
	states  int
	step    Step
	device  bool
	stop    int // the state that ends the loop, -1 if none
	exec    *model.Exec
	stores  []*model.Store // that the step uses, its own first
	vars    []*model.Variable
	traced  bool
	builds  int
	took    time.Duration // of the compilation
}

// New prepares a loop whose state has the given number of tensors. store holds the variables that step uses and may
// change; nil if it uses none. It may read those of other stores that were announced by Use. Nothing is compiled before
// the first Run.
func New(b compute.Backend, store *model.Store, states int, step Step) *Loop {
	if store == nil {
		store = model.NewStore()
	}
	caught := func(scope *model.Scope, i *Node, state, inputs []*Node) []*Node {
		defer backend.PanicWithError()
		return step(scope, i, state, inputs)
	}
	return &Loop{backend: b, store: store, states: states, step: caught, device: backend.OnDevice(b), stop: -1}
}

// OnHost makes the host drive the steps on every backend: one call per step. It exists to measure and to test the
// device loop against.
func (l *Loop) OnHost() *Loop {
	l.device, l.exec = false, nil
	return l
}

// Until makes a Run end early, after the iteration in which state k, an int32 scalar, becomes other than 0. To be called
// before the first Run.
func (l *Loop) Until(k int) *Loop {
	l.stop = k
	return l
}

// Compiled is how long the compilation took, 0 before the first Run.
func (l *Loop) Compiled() time.Duration { return l.took }

// Builds is the number of executables built so far: 1 after any number of Runs with the same shapes.
func (l *Loop) Builds() int { return l.builds }

// Run executes the iterations from <= i < to and returns the final state. Neither bound, nor any value of state or
// inputs, causes a compilation; only new shapes do.
func (l *Loop) Run(from, to int, state, inputs []*tensors.Tensor) ([]*tensors.Tensor, error) {
	if len(state) != l.states {
		return nil, fmt.Errorf("loop: got %d state tensors, want %d", len(state), l.states)
	}
	if from >= to {
		return state, nil
	}
	if err := l.Create(state, inputs); err != nil {
		return nil, err
	}
	if l.exec == nil {
		if err := l.build(state, inputs); err != nil {
			return nil, err
		}
	}
	if l.device {
		return l.call(int32(from), int32(to), state, inputs)
	}
	for i := from; i < to; i++ {
		var err error
		if state, err = l.call(int32(i), int32(i+1), state, inputs); err != nil {
			return nil, fmt.Errorf("step %d: %w", i, err)
		}
		if l.stop >= 0 && tensors.ToScalar[int32](state[l.stop]) != 0 {
			break
		}
	}
	return state, nil
}

func (l *Loop) call(from, to int32, state, inputs []*tensors.Tensor) ([]*tensors.Tensor, error) {
	args := make([]any, 0, 2+len(state)+len(inputs))
	args = append(args, from, to)
	for _, t := range state {
		args = append(args, t)
	}
	for _, t := range inputs {
		args = append(args, t)
	}
	return l.exec.Call(args...)
}

// Create makes the variables that the step uses, where they do not exist, without compiling it: Run does so by itself.
func (l *Loop) Create(state, inputs []*tensors.Tensor) error {
	if l.traced {
		return nil
	}
	return l.trace(state, inputs)
}

// build creates the executable of a step that was traced beforehand, because a While body can only use variables that
// exist and are passed to it as loop state.
func (l *Loop) build(state, inputs []*tensors.Tensor) error {
	exec, err := model.NewExec(l.backend, l.store, func(scope *model.Scope, args []*Node) []*Node {
		l.builds++
		if l.device {
			return l.while(scope, args)
		}
		return l.step(scope, args[0], args[2:2+l.states], args[2+l.states:])
	})
	if err != nil {
		return err
	}
	start := time.Now()
	if _, err := exec.Compile(shapesOf([]*tensors.Tensor{bound, bound}, state, inputs)...); err != nil {
		return err
	}
	l.exec, l.took = exec, time.Since(start)
	return nil
}

var bound = tensors.FromScalar(int32(0)) // of the iterations: its shape is that of any

// shapesOf are the shapes of arguments.
func shapesOf(lists ...[]*tensors.Tensor) []shapes.Shape {
	var all []shapes.Shape
	for _, t := range slices.Concat(lists...) {
		all = append(all, t.Shape())
	}
	return all
}

var errTraced = errors.New("loop: traced")

// trace builds the step in a graph that is thrown away, to create its variables and learn which it uses.
func (l *Loop) trace(state, inputs []*tensors.Tensor) error {
	traced := false
	exec, err := model.NewExec(l.backend, l.store, func(scope *model.Scope, args []*Node) []*Node {
		g := args[0].Graph()
		next := l.step(scope, args[0], args[1:1+l.states], args[1+l.states:])
		checkState(args[1:1+l.states], next)
		l.stores = append([]*model.Store{l.store}, used(g)...)
		for _, s := range l.stores {
			for v := range s.IterVariables() {
				if s != l.store && v.ChangedInGraph(g) { // its new value would go nowhere
					panic(fmt.Errorf("loop: the step changed %s, which belongs to another store than the loop's", v.Path()))
				}
				if v.InUseByGraph(g) {
					l.vars = append(l.vars, v)
				}
			}
		}
		if slowInLoops(g) && !backend.IsCUDA(l.backend) {
			l.device = false
		}
		traced = true
		panic(errTraced) // nothing of this graph is to be compiled
	})
	if err != nil {
		return err
	}
	l.vars = nil
	if _, err := exec.Compile(shapesOf([]*tensors.Tensor{bound}, state, inputs)...); !traced {
		return err
	}
	for _, s := range l.stores {
		if err := Initialise(s); err != nil {
			return err
		}
	}
	l.traced = true
	return nil
}

func checkState(state, next []*Node) {
	if len(next) != len(state) {
		panic(fmt.Errorf("loop: the step returned %d state tensors, want %d", len(next), len(state)))
	}
	for k := range state {
		if !next[k].Shape().Equal(state[k].Shape()) {
			panic(fmt.Errorf("loop: the step changed the shape of state %d from %s to %s", k, state[k].Shape(), next[k].Shape()))
		}
	}
}

// while builds the device loop: args are from, to, state, inputs. The variables travel as loop state too, and nothing
// else may stand in the main graph, since constants and reductions are cached per graph, not per function.
func (l *Loop) while(_ *model.Scope, args []*Node) []*Node {
	g := args[0].Graph()
	for _, s := range l.stores {
		Use(g, s)
	}
	outer := make([]*Node, len(l.vars))
	for k, v := range l.vars {
		outer[k] = v.NodeValue(g)
	}
	init := append(append([]*Node{}, args...), outer...)
	params := func(g *Graph) []*Node {
		p := make([]*Node, len(init))
		for k, n := range init {
			p[k] = Parameter(g, fmt.Sprintf("loop_%d", k), n.Shape())
		}
		return p
	}
	changed := make([]bool, len(l.vars))
	body := NewClosure(g, func(g *Graph) []*Node {
		p := params(g)
		next := append([]*Node{}, p...)
		vars := p[len(args):]
		for k, v := range l.vars {
			v.SetNodeValue(vars[k])
		}
		copy(next[2:], l.step(l.store.RootScope(), p[0], p[2:2+l.states], p[2+l.states:len(args)]))
		for k, v := range l.vars {
			next[len(args)+k] = v.NodeValue(g)
			changed[k] = next[len(args)+k] != vars[k]
			v.SetNodeValue(outer[k])
		}
		next[0] = Add(p[0], Const(g, int32(1)))
		return next
	})
	cond := NewClosure(g, func(g *Graph) []*Node {
		p := params(g)
		more := LessThan(p[0], p[1])
		if l.stop >= 0 {
			more = And(more, Equal(p[2+l.stop], Const(g, int32(0))))
		}
		return []*Node{more}
	})
	result := While(cond, body, init...)
	for k, v := range l.vars {
		if changed[k] {
			v.SetNodeValue(result[len(args)+k])
		}
	}
	return result[2 : 2+l.states]
}
