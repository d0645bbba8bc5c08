package train

import (
	"math"
	"strings"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/dataset"
	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
)

// rngPath is the variable with the random state of training: in the store, so that a checkpoint holds it.
const rngPath = "/training/rng"

// lossFunc builds the loss of one batch, [B, ...] of each table.
type lossFunc func(rng *Node, batch []*Node) (newRNG, loss *Node)

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
	inputTables            // and the following: [n, ...] each
)

// inputs are those of a recipe and its tables.
func (t *training) inputs() ([]*tensors.Tensor, error) {
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
		tensors.FromScalar(int32(t.pointSteps())),
	}
	tables, err := t.data.tables()
	return append(inputs, tables...), err
}

// step is one optimiser step. It must use only what it is given, because it is built inside the body of a loop.
// A step with a non-finite loss or gradient, and every step after it, changes nothing.
func (t *stepper) step(_ *model.Scope, i *Node, state, inputs []*Node) []*Node {
	g := i.Graph()
	store := t.store
	scope := store.Scope(t.scope)
	before := snapshot(store, g)

	rngVar := store.VariableWithShape(rngPath, shapes.Make(dtypes.Uint64, 3), nil).SetTrainable(false)
	rng, batch := draw(rngVar.NodeValue(g), t.batch, inputs[inputTables:])
	rng, l := t.loss(rng, batch)

	weights := trainable(scope, g)
	grads, norm := gradients(l, weights)
	ok := And(LessThan(state[stateBadStep], ScalarZero(g, dtypes.Int32)), And(IsFinite(norm), IsFinite(l)))

	undo(ok, before)
	clip(grads, norm, inputs[inputClip])
	rate := Squeeze(Gather(inputs[inputRates], Reshape(i, 1, 1)))
	update, average := newAdam(i, rate, ok), orNothing(ok, averaging(i, inputs[inputFresh]))
	for k, v := range weights {
		m, s, e := t.companion(firstMoments, v), t.companion(secondMoments, v), t.companion(t.average, v)
		w, first, second := update.apply(v.NodeValue(g), grads[k], m.NodeValue(g), s.NodeValue(g))
		v.SetNodeValue(w)
		m.SetNodeValue(first)
		s.SetNodeValue(second)
		e.SetNodeValue(towards(e.NodeValue(g), w, average))
	}
	rngVar.SetNodeValue(Where(ok, settled(rng), rngVar.NodeValue(g)))
	bad := Where(Or(ok, GreaterOrEqual(state[stateBadStep], ScalarZero(g, dtypes.Int32))), state[stateBadStep], i)
	point := Div(i, inputs[inputPointSteps])
	return []*Node{addLoss(state[stateLossSums], Where(ok, l, ScalarZero(g, l.DType())), point), bad}
}

// draw takes the same size rows of each table, with replacement.
func draw(rng *Node, size int, tables []*Node) (newRNG *Node, batch []*Node) {
	n := int32(tables[0].Shape().Dim(0))
	rng, rows := RandomIntN(rng, n, shapes.Make(dtypes.Int32, size))
	for _, table := range tables {
		batch = append(batch, dataset.Take(table, rows))
	}
	return rng, batch
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

// undo takes back, where the step is not ok, what the network itself has done to its variables.
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
	path := root + strings.TrimPrefix(v.Path(), t.scope)
	return t.store.VariableWithShape(path, v.Shape(), initializer.Zero).SetTrainable(false)
}

// settled is a random state all of whose words are defined. GoMLX's Go engine uses two of the three and leaves what
// happens to lie in memory in the last; checkpoints of equal runs are to be equal.
func settled(rng *Node) *Node {
	if backend.OnDevice(rng.Graph().Backend()) {
		return rng
	}
	return Concatenate([]*Node{SliceAxis(rng, 0, AxisRange(0, 2)), ZerosLike(SliceAxis(rng, 0, AxisElem(2)))}, 0)
}
