package train

import (
	"fmt"

	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/internal/noise"
	"github.com/scoresde/scoresde/pkg/objective"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
)

// batchStep is the step of the loop that trains `members` configurations of one structure at once. Its state is that of
// all members, [members, ...] each: weights, averages, first and second moments, one tensor per layer, then the sums of the
// losses by point and the first bad steps. What tells members apart enters as inputs, so that another set of members compiles nothing.
type batchStep struct {
	members         int
	recipe          Recipe // the steps and the batch count
	objective       objective.DSM
	numbered        bool // the numbers of the process are inputs
	parametrisation score.Parametrisation
	std             float64
	net             eachNet
	layers          []layer
}

// layer is one tensor of weights of a member.
type layer struct {
	path string
	dims []int
}

func (l layer) size() int {
	n := 1
	for _, d := range l.dims {
		n *= d
	}
	return n
}

// Kinds of tensors that the state holds of each layer, in this order.
const (
	kindWeights = iota
	kindAverage
	kindFirst  // Adam's moments
	kindSecond //
	kinds
)

// Inputs of the loop.
const (
	inputEachRates = iota // [steps or more, members]
	inputEachFresh        // [members], 1 - EMA
	inputEachClip         // [members], +Inf for none
	inputEachKeys         // [members, 2]
	inputNumbers          // [numbers, members]
	inputEachData         // [n, d]
)

// Streams of a member's seed. The initial weights come from the host, by weightStream.
const (
	rowStream = iota
	noiseStream
)

// step is one optimiser step of every member. A member whose loss or gradient is not finite stands still from there on.
func (s *batchStep) step(_ *model.Scope, i *Node, state, inputs []*Node) []*Node {
	n := len(s.layers)
	sums, bad := state[kinds*n], state[kinds*n+1]
	weights := state[kindWeights*n : (kindWeights+1)*n]
	losses := s.losses(i, weights, inputs)
	grads, norm := s.gradients(losses, weights)
	none := ZerosLike(bad)
	ok := And(LessThan(bad, none), And(IsFinite(norm), IsFinite(losses)))

	next := make([]*Node, len(state))
	rate := Squeeze(Gather(inputs[inputEachRates], Reshape(i, 1, 1)), 0)
	update := newAdam(i, rate, ok)
	average := orNothing(ok, averaging(i, inputs[inputEachFresh]))
	shrink := clipping(norm, inputs[inputEachClip])
	for k := range weights {
		grad := Mul(grads[k], over(shrink, grads[k]))
		w, first, second := update.apply(weights[k], grad, state[kindFirst*n+k], state[kindSecond*n+k])
		next[kindWeights*n+k], next[kindFirst*n+k], next[kindSecond*n+k] = w, first, second
		next[kindAverage*n+k] = towards(state[kindAverage*n+k], w, average)
	}
	next[kinds*n] = s.recipe.addLoss(sums, Reshape(orNothing(ok, losses), s.members, 1), i)
	now := BroadcastToDims(Reshape(i, 1), s.members)
	next[kinds*n+1] = Where(Or(ok, GreaterOrEqual(bad, none)), bad, now)
	return next
}

// losses are those of a batch of each member, [members], drawn by its own seed.
func (s *batchStep) losses(i *Node, weights, inputs []*Node) *Node {
	data, keys := inputs[inputEachData], inputs[inputEachKeys]
	n, d := data.Shape().Dim(0), data.Shape().Dim(1)
	rows := s.members * s.recipe.Batch
	words, others := noise.Words(keys, i, rowStream, s.recipe.Batch)
	x0 := Gather(data, Reshape(noise.Below(words, n), rows, 1))
	z := Reshape(noise.KeyedNormal(keys, i, noiseStream, s.recipe.Batch*d), rows, d)

	dsm := s.objective
	if s.numbered {
		dsm.SDE = withRows(dsm.SDE, inputs[inputNumbers], s.recipe.Batch)
	}
	t, weight := dsm.Times().(objective.Spreader).Spread(dsm.SDE, noise.Uniform(others))
	f := s.parametrisation.Wrap(dsm.SDE, s.std, func(x, level *Node) *Node {
		return s.net.ApplyEach(s.members, s.weightsAt(weights), x, level)
	})
	errors := Mul(Reshape(weight, rows), dsm.Errors(f, x0, z, Reshape(t, rows)))
	return ReduceMean(Reshape(errors, s.members, s.recipe.Batch), -1)
}

// weightsAt finds the weights that a network asks for.
func (s *batchStep) weightsAt(weights []*Node) func(path string, dims ...int) *Node {
	return func(path string, _ ...int) *Node {
		for k, l := range s.layers {
			if l.path == path {
				return weights[k]
			}
		}
		panic(fmt.Errorf("train: network %s asks for weights %s, which it did not ask for before", s.net, path))
	}
}

// withRows is the process with the numbers of a table [numbers, members], each for the rows of its member.
func withRows(s sde.SDE, table *Node, rows int) sde.SDE {
	members := table.Shape().Dim(1)
	p, err := sde.WithNumbers(s, func(k int, like *Node) *Node {
		v := ConvertDType(SliceAxis(table, 0, AxisElem(k)), like.DType())
		return Reshape(BroadcastToDims(Reshape(v, members, 1), members, rows), members*rows)
	})
	if err != nil {
		panic(err)
	}
	return p
}

// gradients returns those of the sum of the losses, which are those of each member's own loss, and their norms, [members].
func (s *batchStep) gradients(losses *Node, weights []*Node) (grads []*Node, norm *Node) {
	grads = Gradient(ReduceAllSum(losses), weights...)
	sum := ZerosLike(losses)
	for _, d := range grads {
		sum = Add(sum, squares(d))
	}
	return grads, Sqrt(sum)
}

// squares is the sum of the squares of each member's numbers in d [members, ...]. Of the two sums of a matrix the larger is a
// product with ones, since XLA's own sum on a CPU adds one number at a time.
func squares(d *Node) *Node {
	members, last := d.Shape().Dim(0), d.Shape().Dim(-1)
	squared := Square(d)
	if d.Rank() > 2 {
		rows := d.Shape().Size() / last
		ones := Ones(d.Graph(), shapes.Make(d.DType(), last))
		squared = Reshape(Dot(Reshape(squared, rows, last), ones).Product(), members, rows/members)
	}
	return ReduceSum(squared, -1)
}

// clipping is the factor that scales a norm down to at most limit; all [members].
func clipping(norm, limit *Node) *Node {
	return Min(Mul(limit, Reciprocal(Add(norm, ConstAs(norm, 1e-12)))), OnesLike(norm))
}
