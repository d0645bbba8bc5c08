package train

import (
	"math"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"

	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
	"github.com/scoresde/scoresde/pkg/noise"
)

// stepper is the compiled step of trainings of one form over the variables of a store.
type stepper struct {
	batch int
	data  drawer
	store *model.Store
	name  string // scope of all that is trained
	moves []move

	form    string
	backend compute.Backend
	turn    sync.Mutex // of its use
	loop    *loop.Loop
}

// move is a step of the optimiser.
type move struct {
	kinds []string // of the weights that move, scopes below name
	rate  float64  // factor on the recipe's
	loss  func(rng noise.Source, batch Batch) *Node
}

// averages is the kind of the variables that hold the averages of all others.
const averages = "ema"

// State of the loop besides the variables.
const (
	stateLossSums = iota // sums of the losses of each point's steps
	stateBadStep         // the first step with a non-finite loss or gradient, -1 if none
	states
)

// startState is the state from which the loop goes on.
func (t *training) startState() []*tensors.Tensor {
	return []*tensors.Tensor{t.lossSums(t.log.Steps, t.partial), tensors.FromScalar(int32(-1))}
}

// Inputs of the loop: numbers that do not change what is compiled.
const (
	inputRates      = iota // learning rates of the steps, [Steps] and more
	inputClip              // bound on the norm of the gradient, infinite where there is none
	inputFresh             // 1 - EMA
	inputPointSteps        // steps from one point of the losses to the next
	inputKey               // of the random numbers
	inputTables            // and the following: [n, ...] each
)

// inputs are those of a recipe and its tables.
func (t *training) inputs(b compute.Backend) ([]*tensors.Tensor, error) {
	rates := make([]float64, t.Steps)
	for i := range rates {
		rates[i] = t.Rate(i)
	}
	clip := t.ClipNorm
	if clip == 0 {
		clip = math.Inf(1)
	}
	inputs := []*tensors.Tensor{
		host.Column(loop.Padded(rates), dtypes.Float32), tensors.FromScalar(float32(clip)), tensors.FromScalar(float32(1 - t.EMA)),
		tensors.FromScalar(int32(t.pointSteps())), noise.Key(t.Seed, stepsStream),
	}
	tables, err := t.data.tables(b)
	return append(inputs, tables...), err
}

// step makes every move once. It must use only what it is given, because it is built inside the body of a loop. A step with a
// non-finite loss or gradient, and every step after it, changes nothing.
func (t *stepper) step(_ *model.Scope, i *Node, state, inputs []*Node) []*Node {
	g := i.Graph()
	before, rng := snapshot(t.store, g), noise.At(inputs[inputKey], i)
	ok, sum := LessThan(state[stateBadStep], ScalarZero(g, dtypes.Int32)), ScalarZero(g, dtypes.Float32)
	for _, m := range t.moves {
		var loss *Node
		loss, ok = t.make(m, i, ok, before, rng, inputs)
		sum = Add(sum, ConvertDType(loss, dtypes.Float32))
	}
	bad := Where(Or(ok, GreaterOrEqual(state[stateBadStep], ScalarZero(g, dtypes.Int32))), state[stateBadStep], i)
	point := Div(i, inputs[inputPointSteps])
	return []*Node{addLoss(state[stateLossSums], orNothing(ok, sum), point), bad}
}

// make makes a move. Where ok is false, or not true any more with this move's loss and gradient, it changes no weights, and
// takes back to before what earlier moves and the networks themselves have done.
func (t *stepper) make(m move, i, ok *Node, before []present, rng noise.Source, inputs []*Node) (loss, stillOK *Node) {
	loss = m.loss(rng, t.data.batch(rng, t.batch, inputs[inputTables:]))
	weights := t.weights(m.kinds, i.Graph())
	grads, norm := gradients(loss, weights)
	ok = And(ok, And(IsFinite(norm), IsFinite(loss)))

	undo(ok, before)
	clip(grads, norm, inputs[inputClip])
	rate := MulScalar(Squeeze(Gather(inputs[inputRates], Reshape(i, 1, 1))), m.rate)
	update, average := newAdam(i, rate, ok), orNothing(ok, averaging(i, inputs[inputFresh]))
	for k, v := range weights {
		first, second, e := t.companion(firstMoments, v), t.companion(secondMoments, v), t.companion("/"+t.name+"/"+averages, v)
		w, firstNow, secondNow := update.apply(v.NodeValue(i), grads[k], first.NodeValue(i), second.NodeValue(i))
		v.SetNodeValue(w)
		first.SetNodeValue(firstNow)
		second.SetNodeValue(secondNow)
		e.SetNodeValue(towards(e.NodeValue(i), w, average))
	}
	return loss, ok
}

// weights are those of some kinds that the graph uses.
func (t *stepper) weights(kinds []string, g *Graph) []*model.Variable {
	var all []*model.Variable
	for _, kind := range kinds {
		all = append(all, trainable(t.store.Scope("/"+t.name+"/"+kind), g)...)
	}
	return all
}

// trainable lists the weights that the loss uses, in order of creation.
func trainable(scope *model.Scope, g *Graph) []*model.Variable {
	var vars []*model.Variable
	for v := range scope.IterVariables() {
		if v.Trainable && v.InUseByGraph(g) {
			vars = append(vars, v)
		}
	}
	return vars
}

// gradients returns those of the loss in the weights, and their global norm.
func gradients(loss *Node, weights []*model.Variable) (grads []*Node, norm *Node) {
	nodes := make([]*Node, len(weights))
	for k, v := range weights {
		nodes[k] = v.NodeValue(loss)
	}
	grads = Gradient(loss, nodes...)
	sum := ScalarZero(loss.Graph(), loss.DType())
	for _, d := range grads {
		sum = Add(sum, ReduceAllSum(Square(d)))
	}
	return grads, Sqrt(sum)
}

// clip shortens gradients of a global norm to that of a limit, a scalar.
func clip(grads []*Node, norm, limit *Node) {
	scale := MinScalar(Mul(Reciprocal(AddScalar(norm, 1e-12)), limit), 1)
	for k := range grads {
		grads[k] = Mul(grads[k], scale)
	}
}

// snapshot returns the present values of all variables, in order of creation. Variables that do not exist yet (on the
// first tracing of the step) are not among them.
func snapshot(store *model.Store, g *Graph) (values []present) {
	for v := range store.IterVariables() {
		values = append(values, present{v, v.NodeValue(g)})
	}
	return values
}

type present struct {
	variable *model.Variable
	value    *Node
}

// undo takes back, where the step is not ok, what has been done to the variables since before.
func undo(ok *Node, before []present) {
	for _, p := range before {
		if now := p.variable.NodeValue(ok); now != p.value {
			p.variable.SetNodeValue(Where(ok, now, p.value))
		}
	}
}

// The variables that stand beside each weight.
const (
	firstMoments  = "/training/first"
	secondMoments = "/training/second"
)

// companion is the variable under root that belongs to weight v, 0 at first.
func (t *stepper) companion(root string, v *model.Variable) *model.Variable {
	path := root + strings.TrimPrefix(v.Path(), "/"+t.name)
	return t.store.VariableWithShape(path, v.Shape(), initializer.Zero).SetTrainable(false)
}
