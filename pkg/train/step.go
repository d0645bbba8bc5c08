package train

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"github.com/gomlx/gomlx/ml/model/initializer"
	"github.com/gomlx/gomlx/ml/train"
	"github.com/gomlx/gomlx/ml/train/optimizer"

	"github.com/scoresde/scoresde/pkg/score"
)

// rngPath is the variable with the random state of training: in the store, so that a checkpoint holds it.
const rngPath = "/training/rng"

// lossFunc builds the loss of one batch [B, d] of data.
type lossFunc func(rng, batch *Node) (newRNG, loss *Node)

// State of the loop besides the variables.
const (
	stateLossSum = iota // sum of the losses since the host last looked
	stateBadStep        // the first step with a non-finite loss or gradient, -1 if none
	states
)

// Inputs of the loop.
const (
	inputData  = iota // [n, d]
	inputRates        // [Steps]
)

// step is one optimiser step. It must use only what it is given, because it is built inside the body of a loop.
// A step with a non-finite loss or gradient, and every step after it, changes nothing.
func (c Config) step(loss lossFunc) func(*model.Scope, *Node, []*Node, []*Node) []*Node {
	adam := optimizer.Adam().LearningRate(c.LearningRate).Done().(train.OptimizeWithGradients)
	return func(_ *model.Scope, i *Node, state, inputs []*Node) []*Node {
		g := i.Graph()
		store := model.GetStore(g)
		scope := store.Scope("/" + score.Scope)
		before := snapshot(store, g)

		rngVar := store.VariableWithShape(rngPath, shapes.Make(dtypes.Uint64, 3), nil).SetTrainable(false)
		rng, batch := c.draw(rngVar.NodeValue(g), inputs[inputData])
		rng, l := loss(rng, batch)

		weights := trainable(scope, g)
		grads, norm := c.clipped(l, weights)
		ok := And(LessThan(state[stateBadStep], ScalarZero(g, dtypes.Int32)), And(IsFinite(norm), IsFinite(l)))

		optimizer.LearningRateVar(scope, l.DType(), c.LearningRate).
			SetNodeValue(Squeeze(Gather(inputs[inputRates], Reshape(i, 1, 1))))
		adam.UpdateGraphWithGradients(scope, grads, l.DType())
		c.average(store, g, weights, i)
		rngVar.SetNodeValue(rng)
		for v, old := range before {
			v.SetNodeValue(Where(ok, v.NodeValue(g), old))
		}
		bad := Where(Or(ok, GreaterOrEqual(state[stateBadStep], ScalarZero(g, dtypes.Int32))), state[stateBadStep], i)
		return []*Node{Add(state[stateLossSum], Where(ok, l, ScalarZero(g, l.DType()))), bad}
	}
}

// draw takes a batch with replacement.
func (c Config) draw(rng, data *Node) (newRNG, batch *Node) {
	n := int32(data.Shape().Dim(0))
	rng, rows := RandomIntN(rng, n, shapes.Make(dtypes.Int32, c.Batch))
	return rng, Gather(data, InsertAxes(rows, -1))
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

// clipped returns the gradients, scaled down to a global norm of at most ClipNorm, and the norm before that.
func (c Config) clipped(loss *Node, weights []*model.Variable) (grads []*Node, norm *Node) {
	nodes := make([]*Node, len(weights))
	for k, v := range weights {
		nodes[k] = v.NodeValue(loss)
	}
	grads = Gradient(loss, nodes...)
	sum := ScalarZero(loss.Graph(), loss.DType())
	for _, d := range grads {
		sum = Add(sum, ReduceAllSum(Square(d)))
	}
	norm = Sqrt(sum)
	if c.ClipNorm > 0 {
		scale := MinScalar(MulScalar(Reciprocal(AddScalar(norm, 1e-12)), c.ClipNorm), 1)
		for k := range grads {
			grads[k] = Mul(grads[k], scale)
		}
	}
	return grads, norm
}

// average moves the averaged weights towards the weights by (1-EMA)/(1-EMA^(i+1)): the recursion of the bias-corrected
// exponential moving average, whose first value is the first weights themselves.
func (c Config) average(store *model.Store, g *Graph, weights []*model.Variable, i *Node) {
	rate := ScalarOne(g, dtypes.Float32)
	if c.EMA > 0 {
		n := AddScalar(ConvertDType(i, dtypes.Float32), 1)
		grown := Neg(Expm1(MulScalar(n, math.Log(c.EMA)))) // 1 - EMA^(i+1), to the last digit at small i
		rate = Div(Const(g, float32(1-c.EMA)), grown)
	}
	for _, v := range weights {
		e := averaged(store, v)
		old := e.NodeValue(g)
		e.SetNodeValue(Add(old, Mul(ConvertDType(rate, old.DType()), Sub(v.NodeValue(g), old))))
	}
}

// averaged is the variable under EMAScope that belongs to v under Scope.
func averaged(store *model.Store, v *model.Variable) *model.Variable {
	path := "/" + score.EMAScope + v.Path()[len("/"+score.Scope):]
	return store.VariableWithShape(path, v.Shape(), initializer.Zero).SetTrainable(false)
}

// snapshot returns the present values of all variables in use, so that a bad step can be undone. Variables that do not
// exist yet (on the first tracing of the step) need no undoing.
func snapshot(store *model.Store, g *Graph) map[*model.Variable]*Node {
	values := map[*model.Variable]*Node{}
	for v := range store.IterVariables() {
		values[v] = v.NodeValue(g)
	}
	return values
}
