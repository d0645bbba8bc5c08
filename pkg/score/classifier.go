package score

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"

	"github.com/scoresde/scoresde/pkg/sde"
)

// Posterior returns log p_t(y|x) of all classes y, [B, K]: x is [B, ...], t is [B] or [1].
type Posterior func(x, t *Node) *Node

// Classifier is a learned posterior: a network on noised data, scaled to unit variance, and on the noise level, whose
// outputs [B, Classes] are logits (Song et al. 2021, arXiv 2011.13456, section 5). Models that serve in one graph need
// different names.
type Classifier struct {
	SDE     sde.SDE
	Net     Net
	Classes int
	Std     float64 // standard deviation of the data, over all coordinates
	RawTime bool    // the network sees x and t as they are, in place of scaled data and the noise level
	Store   *model.Store
	Name    string // scope of the variables in the store; may be empty
}

// Func is the posterior with the averaged (EMA) weights. It panics where they are missing.
func (c *Classifier) Func() Posterior { return c.with(c.variables().Averaged) }

// Live is the posterior with the weights under training. It creates them where they do not exist.
func (c *Classifier) Live() Posterior { return c.with(c.variables().Live) }

func (c *Classifier) with(net func(in Inputs) *Node) Posterior {
	return func(x, t *Node) *Node {
		in := Inputs{X: x, Level: t}
		if !c.RawTime {
			k := newKernel(c.SDE, c.Std, t)
			in = Inputs{X: Div(x, sde.Like(k.Total, x)), Level: k.LogNoise()}
		}
		logits := net(in)
		if logits.Rank() != 2 || logits.Shape().Dim(1) != c.Classes {
			panic(fmt.Errorf("score: classifier %s returned %s, want %d logits per example", c, logits.Shape(), c.Classes))
		}
		return LogSoftmax(logits)
	}
}

func (c *Classifier) variables() Variables { return Variables{c.Net, c.Store, c.Name, "classifier"} }

// Scope is the path of the weights under training.
func (c *Classifier) Scope() string { return c.variables().Scope() }

// EMAScope is the path of their exponential moving average.
func (c *Classifier) EMAScope() string { return c.variables().EMAScope() }

// String names the classifier by its parts.
func (c *Classifier) String() string {
	return fmt.Sprintf("%d-class %s for %s", c.Classes, c.Net, c.SDE)
}
