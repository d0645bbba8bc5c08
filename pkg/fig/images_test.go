package fig

import (
	"image"
	"math"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// TestImages: images run from the upper left, and so do their pixels; 1 is dark, 0 is light.
func TestImages(t *testing.T) {
	x := mat.NewDense(2, 4, []float64{0, 0, 0, 0, 0, 1, 0, 0}) // of two images, the upper right pixel of the second
	img := picture(t, Images("", x, 2, 1, 2), 5, 2)
	dark := func(r, g, b int) bool { return r < 60 && g < 60 && b < 60 }
	n, box := find(img, img.Bounds(), dark)
	size := img.Bounds().Size()
	if n < 100 || box.Min.X < size.X*3/5 || box.Max.Y > size.Y*3/5 {
		t.Errorf("%d dark pixels in %v of %v, want the upper right", n, box, size)
	}
	if grey, _ := find(img, image.Rect(0, 0, size.X/2, size.Y), dark); grey > 0 {
		t.Errorf("%d dark pixels in an image of zeros", grey)
	}
	for name, bad := range map[string]*Plot{
		"nil": Images("", nil, 2, 1, 2), "few rows": Images("", x, 2, 2, 2), "side": Images("", x, 3, 1, 1),
		"no columns": Images("", x, 2, 1, 0), "NaN": Images("", mat.NewDense(1, 1, []float64{math.NaN()}), 1, 1, 1),
	} {
		if bad.Err() == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
