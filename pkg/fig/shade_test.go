package fig

import (
	"image"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// TestShade: row 0 is at the bottom, columns run from the left, and the largest value is the darkest.
func TestShade(t *testing.T) {
	values := mat.NewDense(2, 2, []float64{1, 0, 0, 0})
	img := picture(t, Shade("", "", "", Square(1), values), 4, 4)
	_, box := find(img, img.Bounds(), func(r, g, b int) bool { return r < 100 && b > 100 })
	size := img.Bounds().Size()
	middle := image.Pt(size.X/2, size.Y/2)
	if box.Empty() || box.Max.X > middle.X+size.X/10 || box.Min.Y < middle.Y-size.Y/10 {
		t.Errorf("the only large value is drawn at %v of %v, want the lower left", box, size)
	}
	img = picture(t, ShadeColumns("", "", "", Square(1), mat.NewDense(2, 2, []float64{1, 0, 0, 1e-3})), 4, 4)
	dark := func(r, g, b int) bool { return r < 100 && b > 100 }
	if low, _ := find(img, image.Rect(0, 0, middle.X, size.Y), dark); low == 0 {
		t.Error("the left column has lost its largest value")
	}
	if high, _ := find(img, image.Rect(middle.X, 0, size.X, middle.Y), dark); high == 0 {
		t.Error("the right column is not scaled to its own maximum")
	}
	for name, bad := range map[string]mat.Matrix{
		"nil": nil, "zero": mat.NewDense(1, 1, nil), "negative": mat.NewDense(1, 2, []float64{1, -1}),
		"NaN": mat.NewDense(1, 2, []float64{1, math.NaN()}), "empty": &mat.Dense{},
	} {
		if Shade("", "", "", Square(1), bad).Err() == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
