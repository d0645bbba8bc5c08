package dist

import (
	"fmt"
	"math"
	"math/rand/v2"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"
)

// Checkerboard is the uniform law on the dark cells of a board in the plane, plus isotropic Gaussian noise so that it is
// closed under Noised: a mixture of boxes, with the closed forms of Uniform. A Checkerboard is immutable; make one with
// NewCheckerboard.
type Checkerboard struct {
	*checkerboard
}

type checkerboard struct {
	cells int // of an edge
	half  float64
	std   float64
}

// NewCheckerboard returns the board [-half, half]^2 of cells x cells, of which those in row i and column j are dark where
// i + j is even. The usual toy has 4 cells and half = 4 (Grathwohl et al. 2019, arXiv 1810.01367). It returns an error
// unless cells >= 2 and half is positive and finite.
func NewCheckerboard(cells int, half float64) (Checkerboard, error) {
	if cells < 2 || !(half > 0) || !finite(half) {
		return Checkerboard{}, fmt.Errorf("dist: checkerboard of %d cells on [-%g, %g], want at least 2 cells and a finite edge", cells, half, half)
	}
	return Checkerboard{&checkerboard{cells, half, 0}}, nil
}

// Dim implements Law.
func (c Checkerboard) Dim() int { return 2 }

// dark tells whether the cell in column i and row j carries mass.
func dark(i, j int) bool { return (i+j)%2 == 0 }

// count is the number of dark cells.
func (c Checkerboard) count() int { return (c.cells*c.cells + 1) / 2 }

// centres returns the centres of the cells along an edge and half the edge of a cell.
func (c Checkerboard) centres() (centres []float64, half float64) {
	half = c.half / float64(c.cells)
	centres = make([]float64, c.cells)
	for i := range centres {
		centres[i] = float64(2*i+1-c.cells) * half
	}
	return centres, half
}

// Mean implements Law.
func (c Checkerboard) Mean() []float64 { return make([]float64, 2) }

// Cov implements Law.
func (c Checkerboard) Cov() *mat.SymDense {
	centres, half := c.centres()
	cov := mat.NewSymDense(2, nil)
	for i, x := range centres {
		for j, y := range centres {
			if dark(i, j) {
				at := mat.NewVecDense(2, []float64{x, y})
				cov.SymRankOne(cov, 1/float64(c.count()), at)
			}
		}
	}
	within := half*half/3 + c.std*c.std
	cov.SetSym(0, 0, cov.At(0, 0)+within)
	cov.SetSym(1, 1, cov.At(1, 1)+within)
	return cov
}

// Sample implements Law.
func (c Checkerboard) Sample(rng *rand.Rand, n int) *mat.Dense {
	centres, half := c.centres()
	x := mat.NewDense(n, 2, nil)
	for row := range n {
		cell := 2 * rng.IntN(c.count()) // of the even cells in the order of rows
		i, j := cell%c.cells, cell/c.cells
		if !dark(i, j) { // only where the edge is even: the dark cells of odd rows are the odd ones
			i++
		}
		for k, centre := range []float64{centres[i], centres[j]} {
			x.Set(row, k, centre+half*(2*rng.Float64()-1)+c.std*rng.NormFloat64())
		}
	}
	return x
}

// LogProb implements Law. With sigma = 0 and no noise of its own it is -Inf off the dark cells.
func (c Checkerboard) LogProb(x, alpha, sigma *Node) *Node {
	checkInputs("Checkerboard.LogProb", 2, x, alpha, sigma)
	return c.at(x, alpha, sigma).logProb
}

// Score implements Law.
func (c Checkerboard) Score(x, alpha, sigma *Node) *Node {
	checkInputs("Checkerboard.Score", 2, x, alpha, sigma)
	s := c.at(x, alpha, sigma)
	return Neg(ReduceSum(Mul(s.posterior, s.score), -1))
}

// Denoise implements Law.
func (c Checkerboard) Denoise(x, alpha, sigma *Node) *Node {
	checkInputs("Checkerboard.Denoise", 2, x, alpha, sigma)
	s := c.at(x, alpha, sigma)
	box := ReduceSum(Mul(s.posterior, s.box), -1)
	if c.std == 0 {
		return box
	}
	alpha, scale := Reshape(alpha, alpha.Shape().Dim(0), 1), Reshape(s.scale, s.scale.Shape().Dim(0), 1)
	gain := Div(Mul(alpha, constant(x, c.std*c.std)), Square(scale))
	return Add(box, Mul(gain, Sub(x, Mul(alpha, box))))
}

// cellwise is the noised law at (x, alpha, sigma): what Uniform knows of each cell of each coordinate, [B, 2, cells], and
// the posterior of the cells, which joins the coordinates.
type cellwise struct {
	logProb   *Node // [B]
	posterior *Node // of the cell of each coordinate, [B, 2, cells]
	score     *Node // minus the score of the cell
	box       *Node // posterior mean of the noiseless coordinate within the cell
	scale     *Node // standard deviation of the noise, [T, 1, 1]
}

func (c Checkerboard) at(x, alpha, sigma *Node) cellwise {
	batch, n := x.Shape().Dim(0), c.cells
	edges, half := c.centres()
	mid := constant(x, edges, 1, 1, n)
	b := box(Reshape(x, batch, 2, 1), Reshape(alpha, -1, 1, 1), Reshape(sigma, -1, 1, 1), mid, constant(x, half), c.std)
	logs := Sub(b.logMass, Log(b.scale))
	pairs := Add(Reshape(SliceAxis(logs, 1, AxisElem(0)), batch, n, 1), SliceAxis(logs, 1, AxisElem(1))) // [B, n, n]
	mask := make([]float64, n*n)
	for k := range mask {
		if dark(k/n, k%n) {
			mask[k] = 1
		}
	}
	isDark := constant(x, mask, 1, n, n)
	// Light cells are kept out of the maximum, and their weight, which may overflow, out of the sum.
	pairs = Where(BroadcastToDims(GreaterThan(isDark, constant(x, 0.5)), batch, n, n), pairs, constant(x, -1e30))
	top := StopGradient(ReduceMax(Reshape(pairs, batch, n*n), 1))
	weights := Mul(Exp(Sub(pairs, Reshape(top, batch, 1, 1))), isDark)
	total := ReduceSum(weights, 1, 2)
	first, second := ReduceSum(weights, 2), ReduceSum(weights, 1)
	joint := Concatenate([]*Node{Reshape(first, batch, 1, n), Reshape(second, batch, 1, n)}, 1)
	return cellwise{
		logProb:   Sub(Add(Log(total), top), constant(x, math.Log(float64(c.count())))),
		posterior: Div(joint, Reshape(total, batch, 1, 1)),
		score:     Div(Mul(b.side, b.mean), b.scale),
		box:       Sub(mid, Mul(b.half, Mul(b.side, b.offset))),
		scale:     b.scale,
	}
}

// Noised implements Law.
func (c Checkerboard) Noised(alpha, sigma float64) Law {
	checkKernel(alpha, sigma)
	scale := math.Abs(alpha) // the board turned by half a turn is the same
	return Checkerboard{&checkerboard{c.cells, scale * c.half, math.Hypot(scale*c.std, sigma)}}
}

// String implements Law.
func (c Checkerboard) String() string {
	s := fmt.Sprintf("checkerboard of %d x %d on [-%.4g, %.4g]", c.cells, c.cells, c.half, c.half)
	if c.std > 0 {
		s += fmt.Sprintf(" plus noise of std %.4g", c.std)
	}
	return s
}
