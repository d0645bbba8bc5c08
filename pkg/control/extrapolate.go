package control

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/score"
)

// Extrapolate goes from one score through another:
//
//	weak + scale (strong - weak)
//
// With an unconditional weak and a conditional strong score it is classifier-free guidance (Ho and Salimans 2022, arXiv
// 2207.12598, whose w is scale - 1); with a worse model of the same law as the weak one, autoguidance (Karras et al. 2024,
// arXiv 2406.02507). Scale 1, which a nil scale means, is the strong score.
func Extrapolate(weak, strong score.Func, scale *Scale) score.Func {
	return func(x, t *Node) *Node {
		w := weak(x, t)
		return Add(w, Mul(scale.node(x), Sub(strong(x, t), w)))
	}
}

// ClassifierFree is the guidance of one conditional network by itself (train.FitGiven with one-hot labels): Extrapolate
// from its score without a condition, all zeros, through that given y.
func ClassifierFree(m *score.Model, y *Labels, scale *Scale) score.Func {
	without := func(x *Node) *Node { return ZerosLike(y.Rows(x)) }
	return Extrapolate(m.Func(score.Context{Given: without}), m.Func(score.Context{Given: y.Rows}), scale)
}
