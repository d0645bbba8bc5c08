package train

import (
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dist"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/sde"
)

// FourGaussians is the laboratory's reference run: 50 000 points of dist.FourGaussians, noised by the VE process with
// sigma from 0.01 to 4 (at least the largest distance of two points, report section 2.1), and a preconditioned 3x128
// network. Its recipe is Default's, shortened to steps. Notebooks that use it share one run.
func FourGaussians(steps int) (Config, *mat.Dense) {
	data := dist.FourGaussians().Sample(rand.New(rand.NewPCG(42, 0)), 50000)
	cfg := Default("four-gaussians", sde.VE{SigmaMin: 0.01, SigmaMax: 4}, nets.MLP{Width: 128, Depth: 3})
	cfg.Steps, cfg.WarmUp = steps, min(cfg.WarmUp, steps/10)
	return cfg, data
}
