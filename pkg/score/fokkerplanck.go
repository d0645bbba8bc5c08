package score

import (
	"errors"
	"fmt"
	"math/rand/v2"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/sde"
)

// Evolution returns both sides of the equation that the score of a noised law obeys in time,
//
//	d/dt s = grad [ -f x.s + g^2/2 (div s + |s|^2) ],
//
// the gradient of the Fokker-Planck equation over the density (Lai et al. 2022, arXiv 2210.04296), for a function s
// at x [B, d] and t [B] or [1]: its change in time and what the equation wants it to be, [B, d] each. The score of any law
// under the process has them equal at all x and t; where a learned one has not, it is the score of no diffusing density.
// They take 2 d + 1 gradients, so that d should be small. Gradients do not work in the body of a loop on the Go backend.
func Evolution(s Func, p sde.SDE) func(x, t *Node) (change, want *Node) {
	return func(x, t *Node) (change, want *Node) {
		// A time for each row, for its own derivative.
		t = BroadcastToDims(t, x.Shape().Dim(0))
		y := s(x, t)
		var changes []*Node
		div := ZerosLike(x)
		for i := range x.Shape().Dim(1) {
			total := ReduceAllSum(SliceAxis(y, 1, AxisElem(i)))
			changes = append(changes, Reshape(Gradient(total, t)[0], -1, 1))
			div = Add(div, Mul(Gradient(total, x)[0], unit(x, i)))
		}
		power := Mul(Square(p.Diffusion(t)), ConstAs(t, []float64{0.5}))
		flow := Neg(Mul(p.Drift(t), ReduceSum(Mul(x, y), 1)))
		potential := Add(flow, Mul(power, ReduceSum(Add(div, Square(y)), 1)))
		return Concatenate(changes, 1), Gradient(ReduceAllSum(potential), x)[0]
	}
}

// unit is the row [1, d] with a single 1 at i.
func unit(x *Node, i int) *Node {
	row := make([]float64, x.Shape().Dim(1))
	row[i] = 1
	return ConstAs(x, [][]float64{row})
}

// FokkerPlanckPoint says how well a score obeys its equation in time at one time.
type FokkerPlanckPoint struct {
	T        float64
	Residual float64 // E |d/dt s - grad[...]|^2 over x ~ p_t
	Stderr   float64 // standard error of Residual
	Change   float64 // E |d/dt s|^2, to compare Residual with
}

// FokkerPlanck measures how far f is from obeying the Fokker-Planck equation of the process, with both sides of Evolution, at each
// of ts, in the mean over n exact samples of the noised law p_t each. The law is only where to look: a score that solves
// the equation for other data has residual 0 too. It computes in float32, whose rounding leaves the exact score a Residual
// of 1e-9 of Change or less, except where hardly anything changes, at the end of VP processes.
func (u Truth) FokkerPlanck(b compute.Backend, f Func, ts []float64, n int, seed uint64) ([]FokkerPlanckPoint, error) {
	if f == nil {
		return nil, errors.New("score: FokkerPlanck wants a score, got nil")
	}
	rng := rand.New(rand.NewPCG(seed, 0))
	means, err := u.Expect(b, ts, n, rng, func(x, _, t *Node) []*Node {
		change, want := Evolution(f, u.SDE)(x, t)
		return []*Node{ReduceSum(Square(Sub(change, want)), -1), ReduceSum(Square(change), -1)}
	})
	if err != nil {
		return nil, fmt.Errorf("score: FokkerPlanck: %w", err)
	}
	points := make([]FokkerPlanckPoint, len(ts))
	for k, m := range means {
		points[k] = FokkerPlanckPoint{T: ts[k], Residual: m[0].Value, Stderr: m[0].Stderr, Change: m[1].Value}
	}
	return points, nil
}
