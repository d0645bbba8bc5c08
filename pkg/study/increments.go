package study

import (
	"fmt"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/sampler"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Increments recovers from one bundle of forward paths, snapshots at rising times, the two Brownian increments between
// its first and last time, [N, Dim] each: that of the forward SDE, dw = (dx - f x dt)/g with coefficients at the earlier
// point of every step, and that of the reverse SDE (Anderson 1982), run from the last time to the first,
//
//	dw = (x_k - x_{k+1} + (f x_{k+1} - g^2 score) dt)/g   with everything at t_{k+1}.
//
// By Anderson (1982) the second is a Brownian increment independent of the state at the last time; the first is not.
func Increments(b compute.Backend, p sampler.Problem, path []sampler.Snapshot) (forward, reverse *mat.Dense, err error) {
	if err := p.Validate(); err != nil {
		return nil, nil, err
	}
	if p.Score == nil || len(path) < 2 {
		return nil, nil, fmt.Errorf("study: Increments wants a score and at least two snapshots, got %d", len(path))
	}
	exec, err := model.NewExec(b, model.NewStore(), func(_ *model.Scope, x, y, t, u *Node) []*Node { // x at t < u, y at u
		dt := Sub(u, t)
		f, g := p.SDE.Drift, p.SDE.Diffusion
		move := Sub(y, x)
		ahead := Sub(move, sde.Times(Mul(f(t), dt), x))
		drift := Sub(sde.Times(f(u), y), sde.Times(Square(g(u)), p.Score(y, u)))
		back := Sub(sde.Times(dt, drift), move)
		return []*Node{Div(ahead, sde.Like(g(t), x)), Div(back, sde.Like(g(u), x))}
	})
	if err != nil {
		return nil, nil, err
	}
	defer exec.Finalize()
	forward, reverse = mat.NewDense(p.N, p.Dim(), nil), mat.NewDense(p.N, p.Dim(), nil)
	for k := 1; k < len(path); k++ {
		if !(path[k].T > path[k-1].T) {
			return nil, nil, fmt.Errorf("study: snapshot %d is at t = %g after %g, want rising times", k, path[k].T, path[k-1].T)
		}
		dw, err := exec.Call(path[k-1].X, path[k].X, timeOf(p, path[k-1].T), timeOf(p, path[k].T))
		if err != nil {
			return nil, nil, fmt.Errorf("study: increments at t = %g: %w", path[k].T, err)
		}
		forward.Add(forward, sampler.Matrix(dw[0]))
		reverse.Add(reverse, sampler.Matrix(dw[1]))
	}
	return forward, reverse, nil
}
