package sampler

import (
	"context"
	"fmt"
	"math/rand/v2"
	"slices"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Forward is forward noise-making (Yang and Batzolis 2021, CCIMI report, Algorithm 1). Input: data x_i(0) as the rows of data and the forward
// SDE, which specifies f, g and T. Output: the noises x_i(T) (Result.X) and their empirical law (Result.Law). It
// simulates dx = f x dt + g dw from Eps to T by Euler-Maruyama in Settings.Steps steps. Settings.Init and
// Denoise do not apply.
func Forward(ctx context.Context, b compute.Backend, data mat.Matrix, s sde.SDE, set Settings) (*Result, error) {
	if err := checkRows("data", data); err != nil {
		return nil, err
	}
	n, d := data.Dims()
	lab, err := New(b, Problem{SDE: s, N: n, Shape: []int{d}})
	if err != nil {
		return nil, err
	}
	grid, err := set.grid(s.Span())
	if err != nil {
		return nil, err
	}
	slices.Reverse(grid)
	set.Init = Tensor(data, lab.problem.dtype())
	return lab.follow(ctx, forward{}, grid, set)
}

// Prior is an easy-to-draw law q; every dist.Law is one.
type Prior interface {
	Sample(rng *rand.Rand, n int) *mat.Dense // [n, d]
}

// Backward is backward generation (Yang and Batzolis 2021, CCIMI report, Algorithm 2). Input: the number m of samples (p.N), what Algorithm 1 used
// (p.SDE), the law q of the start, and the score (p.Score). Output: samples y_i(0) (Result.X) and their empirical law
// (Result.Law). method discretises the time reversal (Anderson 1982).
func Backward(ctx context.Context, b compute.Backend, p Problem, q Prior, method Method, set Settings) (*Result, error) {
	lab, err := New(b, p)
	if err != nil {
		return nil, err
	}
	if q == nil {
		return nil, fmt.Errorf("sampler: no prior q, want a law to draw the start from")
	}
	start := q.Sample(rand.New(rand.NewPCG(uint64(set.Seed), lawStream)), p.N)
	if err := checkRows("start", start); err != nil {
		return nil, err
	}
	if n, d := start.Dims(); n != p.N || d != p.Dim() {
		return nil, fmt.Errorf("sampler: the prior q drew [%d, %d], want [%d, %d] for %[3]d samples of the shape %[5]v", n, d, p.N, p.Dim(), p.Shape)
	}
	set.Init = p.tensor(start)
	return lab.Run(ctx, method, set)
}

func checkRows(what string, m mat.Matrix) error {
	if d, ok := m.(*mat.Dense); m == nil || ok && d == nil {
		return fmt.Errorf("sampler: no %s, want a matrix [n, d] with one example per row", what)
	}
	n, d := m.Dims()
	if n == 0 || d == 0 {
		return fmt.Errorf("sampler: %s is %d x %d, want at least one row and column", what, n, d)
	}
	if err := host.Finite(what, m); err != nil {
		return fmt.Errorf("sampler: %w", err)
	}
	return nil
}

// forward is an Euler-Maruyama step of the forward SDE along a rising grid.
type forward struct{}

func (forward) String() string   { return "forward Euler-Maruyama" }
func (forward) Key() any         { return forward{} }
func (forward) Knobs() []float64 { return nil }
func (forward) Validate() error  { return nil }
func (forward) NFE() int         { return 0 }

func (forward) Step(p *Problem, rng noise.Source, x, t, tNext *Node, _, _ []*Node) (next *Node, newAux []*Node) {
	dt := Sub(tNext, t)
	z := rng.Normal(x.Shape())
	mean := Add(x, sde.Times(Mul(p.SDE.Drift(t), dt), x))
	return Add(mean, sde.Times(Mul(p.SDE.Diffusion(t), Sqrt(dt)), z)), nil
}
