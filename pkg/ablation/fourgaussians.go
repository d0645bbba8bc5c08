package ablation

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/score"
	"github.com/scoresde/scoresde/pkg/sde"
	"github.com/scoresde/scoresde/pkg/train"
)

// fourGaussiansNoise is the VE process with sigma from 0.01 to 4, at least the largest distance of two points of
// dist.FourGaussians (Yang and Batzolis, CCIMI report, 2021, section 2.1).
var fourGaussiansNoise = sde.VE{SigmaMin: 0.01, SigmaMax: 4}

// fourGaussiansData is 50 000 points of dist.FourGaussians and the component of each.
func fourGaussiansData() (*mat.Dense, []int) {
	return dist.FourGaussians().SampleLabelled(rand.New(rand.NewPCG(42, 0)), 50000)
}

// FourGaussians is the laboratory's reference run: 50 000 points of dist.FourGaussians, noised by the VE process with
// sigma from 0.01 to 4, and a preconditioned 3x128 network. Its recipe is that of train.Default over steps. Notebooks that
// use it share one run.
func FourGaussians(steps int) (train.Config, *mat.Dense) {
	data, _ := fourGaussiansData()
	cfg := train.Default("four-gaussians", fourGaussiansNoise, nets.MLP{Width: 128, Depth: 3})
	cfg.Recipe = cfg.Over(steps)
	return cfg, data
}

// FourGaussiansGiven is the reference conditional score, for train.FitGiven and classifier-free guidance: the data and
// network of FourGaussians, whose condition is the one-hot component y, [50000, 4]. It is dropped for a fifth of the examples:
// Ho and Salimans (2022) find 0.1 and 0.2 equally good, and here 0.2 halves the error of the unconditional score, which
// is the larger one by far.
func FourGaussiansGiven(steps int) (cfg train.Config, data, y *mat.Dense) {
	data, labels := fourGaussiansData()
	y, err := score.OneHotRows(labels, dist.FourGaussians().Components())
	if err != nil {
		panic(err) // labels come from the components
	}
	cfg = train.Default("four-gaussians-given", fourGaussiansNoise, nets.MLP{Width: 128, Depth: 3, Output: 2})
	cfg.Recipe, cfg.Drop = cfg.Over(steps), 0.2
	return cfg, data, y
}

// FourGaussiansClassifier is the reference classifier of the components at every noise level, for train.FitClassifier: the
// data of FourGaussians with the component of each point as label, and a 4x64 network.
func FourGaussiansClassifier(steps int) (cfg train.ClassifierConfig, data *mat.Dense, labels []int) {
	data, labels = fourGaussiansData()
	classes := dist.FourGaussians().Components()
	cfg = train.ClassifierDefault("four-gaussians-classifier", fourGaussiansNoise, nets.MLP{Width: 64, Depth: 4, Output: classes}, classes)
	cfg.Recipe = cfg.Over(steps)
	return cfg, data, labels
}
