// Package score treats the score grad_x log p_t(x) as a function of (x, t): exact scores of known laws, learned scores
// (a parametrisation around a network), and the distance between the two as a function of time.
package score

import (
	"fmt"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/sde"
)

// Func returns grad_x log p_t(x), of the shape of x: x is [B, ...], t is [B] or [1] (one time for the whole batch). Scores of
// laws (package dist) are those of vectors, [B, d].
type Func func(x, t *Node) *Node

// Flat sees a score of examples of a shape, on [B, shape...], as one of vectors, on [B, d] with d the product of the shape:
// what works on vectors (likelihoods, laws, metrics) takes scores of pictures or functions in this form.
func Flat(f Func, shape ...int) Func { return reshaped(f, nil, shape) }

// Shaped is the inverse of Flat: it gives a score of vectors, that of a law say, to examples of a shape.
func Shaped(f Func, shape ...int) Func { return reshaped(f, shape, nil) }

// reshaped turns examples of the shape from, nil for vectors, into those of the shape to and f's result back.
func reshaped(f Func, from, to []int) Func {
	dims := func(b, d int, shape []int) []int {
		if shape == nil {
			return []int{b, d}
		}
		return append([]int{b}, shape...)
	}
	return func(x, t *Node) *Node {
		b := x.Shape().Dim(0)
		d := x.Shape().Size() / b
		if want := dims(b, d, from); !slices.Equal(want, x.Shape().Dimensions) {
			panic(fmt.Errorf("score: got examples x %s, want [%d, %v...]", x.Shape(), b, want[1:]))
		}
		return Reshape(f(Reshape(x, dims(b, d, to)...), t), x.Shape().Dimensions...)
	}
}

// Denoiser turns a score into the posterior mean E[x_0 | x_t = x] = (x + Sigma^2 score)/Alpha (Tweedie's formula).
func Denoiser(f Func, s sde.SDE) Func {
	return func(x, t *Node) *Node {
		return Div(Add(x, sde.Times(Square(s.Sigma(t)), f(x, t))), sde.Like(s.Alpha(t), x))
	}
}
