package ablation

import (
	"math"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dist"
)

// known is a law to learn. Where it consists of modes far apart, centres and std describe them.
type known struct {
	law     dist.Law
	centres *mat.Dense // [k, 2]; nil where there are no modes
	std     float64
}

var laws = []named[known]{
	{"four-gaussians", ring(dist.FourGaussians(), 4, 1, 0.2)},
	{"ring", ring(must(dist.Ring(8, 2, 0.1)), 8, 2, 0.1)},
	{"moons", known{law: moons()}},
	{"checkerboard", known{law: must(dist.NewCheckerboard(4, 2))}},
}

// ring describes k modes on a circle, the first at angle 0.
func ring(law dist.Law, k int, radius, std float64) known {
	centres := mat.NewDense(k, 2, nil)
	for i := range k {
		sin, cos := math.Sincos(2 * math.Pi * float64(i) / float64(k))
		centres.SetRow(i, []float64{radius * cos, radius * sin})
	}
	return known{law, centres, std}
}

// moons is the law of dist.Moons with noise 0.1, its integral along each half circle taken by the midpoint rule at 64
// points: their distance, 0.05, is half the noise, which leaves a relative error of exp(-2 (2 pi)^2) in the density of an
// endless line, far below that of float32.
func moons() dist.Mixture {
	const n, noise = 64, 0.1
	means := mat.NewDense(2*n, 2, nil)
	stds := make([]float64, 2*n)
	for i := range n {
		sin, cos := math.Sincos(math.Pi * (float64(i) + 0.5) / n)
		means.SetRow(i, []float64{cos, sin})
		means.SetRow(n+i, []float64{1 - cos, 0.5 - sin})
		stds[i], stds[n+i] = noise, noise
	}
	return must(dist.NewIsotropicMixture(nil, means, stds))
}

func must[T any](v T, err error) T {
	if err != nil {
		panic(err) // the arguments are constants
	}
	return v
}
