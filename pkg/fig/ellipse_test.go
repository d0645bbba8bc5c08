package fig

import (
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// TestEllipse: the ellipse reaches radius standard deviations along both axes, and the plot has room for it.
func TestEllipse(t *testing.T) {
	cov := mat.NewDense(2, 2, []float64{2, -0.7, -0.7, 0.5})
	p := Scatter("", corners).Ellipse("two", []float64{1, -1}, cov, 2)
	if p.Err() != nil {
		t.Fatal(p.Err())
	}
	if p.X.Max < 1+2*math.Sqrt2-1e-3 || p.Y.Min > -1-2*math.Sqrt(0.5)+1e-3 {
		t.Errorf("axes end at x %.3f and y %.3f: the ellipse is cut", p.X.Max, p.Y.Min)
	}
	bad := mat.NewDense(2, 2, []float64{1, 2, 2, 1})
	for name, err := range map[string]error{
		"indefinite": Scatter("", corners).Ellipse("", []float64{0, 0}, bad, 1).Err(),
		"mean":       Scatter("", corners).Ellipse("", []float64{0}, cov, 1).Err(),
		"radius":     Scatter("", corners).Ellipse("", []float64{0, 0}, cov, -1).Err(),
	} {
		if err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
