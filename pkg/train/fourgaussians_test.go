package train

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/nets"
)

// fourGaussians are settings and data of the reference run, as in package ablation, and the component of each point.
func fourGaussians(steps int) (cfg Config, data *mat.Dense, labels []int) {
	data, labels = law.SampleLabelled(rand.New(rand.NewPCG(42, 0)), 50000)
	cfg = Default("four-gaussians", process, nets.MLP{Width: 128, Depth: 3})
	cfg.Recipe = cfg.Over(steps)
	return cfg, data, labels
}
