// Package score treats the score grad_x log p_t(x) as a function of (x, t): exact scores of known laws, learned scores
// (a parametrisation around a network), and the distance between the two as a function of time.
package score

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/sde"
)

// Func returns grad_x log p_t(x), of the shape of x: x is [B, d], t is [B] or [1] (one time for the whole batch).
type Func func(x, t *Node) *Node

// Exact is the score of data that follow law, noised by s.
func Exact(law dist.Law, s sde.SDE) Func {
	return func(x, t *Node) *Node { return law.Score(x, s.Alpha(t), s.Sigma(t)) }
}

// Denoiser turns a score into the posterior mean E[x_0 | x_t = x] = (x + Sigma^2 score)/Alpha (Tweedie's formula).
func Denoiser(f Func, s sde.SDE) Func {
	return func(x, t *Node) *Node {
		alpha, sigma := sde.Like(s.Alpha(t), x), sde.Like(s.Sigma(t), x)
		return Div(Add(x, Mul(Square(sigma), f(x, t))), alpha)
	}
}
