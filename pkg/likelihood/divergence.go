package likelihood

import (
	"fmt"
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/scoresde/scoresde/pkg/ode"
	"github.com/scoresde/scoresde/pkg/score"
	"gonum.org/v1/gonum/mat"
)

// divergence is the divergence of a field y = f(x) at x, [B, 1], from y and x, [B, d] each.
type divergence func(y, x *Node) *Node

// exact is the trace of dy/dx: one gradient for each coordinate, all from the one evaluation behind y.
func exact(y, x *Node) *Node {
	var trace *Node
	for i := range x.Shape().Dim(1) {
		column := SliceAxis(Gradient(ReduceAllSum(SliceAxis(y, 1, AxisElem(i))), x)[0], 1, AxisElem(i))
		if trace == nil {
			trace = column
		} else {
			trace = Add(trace, column)
		}
	}
	return trace
}

// Probe is a law of the random directions v of Hutchinson's estimator of the divergence, v^T (df/dx) v, which is unbiased
// where E v v^T = I (Hutchinson 1989; Song et al. 2021, appendix D.2).
type Probe int

const (
	Rademacher Probe = iota // +-1: the smallest variance among independent coordinates
	Gaussian                // N(0, I)
)

// String returns the name of the law.
func (p Probe) String() string { return [...]string{"Rademacher", "Gaussian"}[p] }

// draw returns n directions side by side, [rows, n*d].
func (p Probe) draw(rng *rand.Rand, rows, n, d int) *mat.Dense {
	v := mat.NewDense(rows, n*d, nil)
	for i := range v.RawMatrix().Data {
		switch z := rng.NormFloat64(); {
		case p == Gaussian:
			v.RawMatrix().Data[i] = z
		case z < 0:
			v.RawMatrix().Data[i] = -1
		default:
			v.RawMatrix().Data[i] = 1
		}
	}
	return v
}

// hutchinson is the mean of v^T (dy/dx) v over n directions v, [B, n*d], which stay the same along the path.
func hutchinson(v *score.Input, n int) divergence {
	return func(y, x *Node) *Node {
		d := x.Shape().Dim(1)
		all := v.Node(x)
		var sum *Node
		for k := range n {
			dir := SliceAxis(all, 1, AxisRange(k*d, (k+1)*d))
			term := ReduceAndKeep(Mul(Gradient(ReduceAllSum(Mul(y, dir)), x)[0], dir), ReduceSum, -1)
			if sum == nil {
				sum = term
			} else {
				sum = Add(sum, term)
			}
		}
		return Mul(sum, ConstAs(x, [][]float64{{1 / float64(n)}}))
	}
}

// augmented carries the integral of the divergence along as a last column: the state is [x, log-determinant], [B, d+1].
func augmented(flow ode.Field, div divergence) ode.Field {
	return func(state, t *Node) *Node {
		d := state.Shape().Dim(1) - 1
		x := SliceAxis(state, 1, AxisRange(0, d))
		y := flow(x, t)
		if !y.Shape().Equal(x.Shape()) {
			panic(fmt.Errorf("likelihood: the flow is %s for x %s, want equal shapes", y.Shape(), x.Shape()))
		}
		return Concatenate([]*Node{y, div(y, x)}, 1)
	}
}
