package dist_test

import (
	"fmt"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dist"
)

// The exact score, posterior mean and class posterior of the four Gaussians at noise level 0.5.
func Example() {
	law := dist.FourGaussians()
	x := mat.NewDense(1, 2, []float64{0.8, 0.3})
	score, err := dist.ScoreAt(law, x, 1, 0.5)
	if err != nil {
		fmt.Println(err)
		return
	}
	denoised, _ := dist.DenoiseAt(law, x, 1, 0.5)
	classes, _ := dist.ResponsibilitiesAt(law, x, 1, 0.5)
	fmt.Println(law)
	fmt.Printf("score %.3f\n", score.RawRowView(0))
	fmt.Printf("denoised %.3f\n", denoised.RawRowView(0))
	fmt.Printf("classes %.3f\n", classes.RawRowView(0))
	// Output:
	// mixture of 4 Gaussians in 2-D, std 0.2
	// score [0.092 -0.589]
	// denoised [0.823 0.153]
	// classes [0.830 0.148 0.003 0.019]
}
