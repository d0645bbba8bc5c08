package dist

import (
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/scoresde/scoresde/pkg/noise"
	"gonum.org/v1/gonum/mat"
)

// SampleGraph draws n >= 1 points of a float type inside a graph, [n, d].
func (m Mixture) SampleGraph(rng noise.Source, n int, dtype dtypes.DType) *Node {
	k := len(m.weights)
	if k == 1 {
		return m.components.simulate(rng, n, dtype, nil)
	}
	u := rng.Uniform(shapes.Make(dtype, n, 1))
	// The label is the number of cumulative weights that u has reached. The last one is 1 and never counts.
	reached := GreaterOrEqual(u, constant(u, m.cumulative()[:k-1], 1, k-1))
	label := ReduceSum(ConvertDType(reached, dtypes.Int32), 1)
	return m.components.simulate(rng, n, dtype, Reshape(label, n, 1))
}

// SampleGraph draws n >= 1 points inside a graph, [n, d], as Mixture.SampleGraph does.
func (g Gaussian) SampleGraph(rng noise.Source, n int, dtype dtypes.DType) *Node {
	return g.simulate(rng, n, dtype, nil)
}

// SampleGraph draws n >= 1 points inside a graph, [n, d], as Mixture.SampleGraph does.
func (u Uniform) SampleGraph(rng noise.Source, n int, dtype dtypes.DType) *Node {
	unit := rng.Uniform(shapes.Make(dtype, n, u.Dim()))
	mid, half := u.centreAndHalf()
	edges, corner := make([]float64, u.Dim()), make([]float64, u.Dim())
	for i := range edges {
		edges[i], corner[i] = 2*half[i], mid[i]-half[i]
	}
	x := Add(Mul(unit, constant(unit, edges, 1, u.Dim())), constant(unit, corner, 1, u.Dim()))
	if u.std == 0 {
		return x
	}
	z := rng.Normal(x.Shape())
	return Add(x, Mul(z, constant(z, u.std)))
}

// simulate draws from the components with the labels [n, 1]; nil labels mean that there is one component.
func (c *components) simulate(rng noise.Source, n int, dtype dtypes.DType, labels *Node) *Node {
	z := rng.Normal(shapes.Make(dtype, n, c.dim))
	pick := func(table *Node) *Node {
		if labels == nil {
			return table
		}
		return Gather(table, labels)
	}
	means := pick(constant(z, flat(c.means), c.k, c.dim))
	if c.bases == nil {
		var stds mat.Dense
		stds.Apply(func(_, _ int, v float64) float64 { return math.Sqrt(v) }, c.vars)
		return Add(means, Mul(z, pick(constant(z, flat(&stds), c.k, 1))))
	}
	roots := pick(constant(z, c.roots(), c.k, c.dim, c.dim))
	return Add(means, ReduceSum(Mul(roots, Reshape(z, n, 1, c.dim)), 2))
}

// roots returns for each component the square root of its covariance, which turns white noise into its noise: [K, d, d].
func (c *components) roots() []float64 {
	var out []float64
	for k := range c.k {
		out = append(out, flat(c.root(k))...)
	}
	return out
}
