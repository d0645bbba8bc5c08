package control

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"

	"github.com/scoresde/scoresde/pkg/score"
)

// Guide is the score of the conditional reverse-time SDE (Song et al. 2021, arXiv 2011.13456, section 5;
// Dhariwal and Nichol 2021, arXiv 2105.05233, for the scale):
//
//	grad log p_t(x) + scale grad log p_t(y|x)
//
// With scale 1, which a nil scale means, that is the score of p_t(x|y), and exact if base and l are. With another scale
// it is the score of p_t(x) p_t(y|x)^scale at each t, which is not the noised law of p_0(x) p_0(y|x)^scale: what the
// sampler then draws is another law than the one its scale suggests.
func Guide(base score.Func, l score.LogDensity, scale *Scale) score.Func {
	return func(x, t *Node) *Node {
		return Add(base(x, t), Mul(scale.node(x), l.Score()(x, t)))
	}
}

// Class is the likelihood of labels under a classifier: the exact one (score.ExactPosterior) or a learned one
// (score.Classifier). The classifier panics when graphs are built if it knows another number of classes.
func Class(p score.Posterior, y *Labels) score.LogDensity {
	return func(x, t *Node) *Node {
		logProb := p(x, t)
		if k := logProb.Shape().Dim(1); k != y.classes {
			panic(fmt.Errorf("control: the classifier knows %d classes, the labels %d", k, y.classes))
		}
		return ReduceSum(Mul(logProb, y.Rows(x)), -1)
	}
}
