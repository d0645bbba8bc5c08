package fig

import (
	"image"
	"image/color"
	"math"

	"gonum.org/v1/gonum/mat"
)

// magnify is how many pixels of the picture stand for one of an image, so that drawing does not blur its edges.
const magnify = 8

// Images shows the first rows of x, [n, side*side], as square grey images of side x side pixels, row by row from the upper
// left, cols of them in a line: light for 0, dark for 1, values beyond clipped. Non-finite values are mistakes.
func Images(title string, x mat.Matrix, side, lines, cols int) *Plot {
	p := newPlot(title, "", "").EqualAspect()
	if x == nil || side < 1 || lines < 1 || cols < 1 {
		return p.fail("images %q: got no matrix, or side %d, %d lines and %d columns, want >= 1", title, side, lines, cols)
	}
	if n, d := x.Dims(); d != side*side || n < lines*cols {
		return p.fail("images %q: got a [%d, %d] matrix, want at least %d rows of %d x %d pixels", title, n, d, lines*cols, side, side)
	}
	step := (side + 1) * magnify // one white pixel between images
	img := image.NewGray(image.Rect(0, 0, cols*step-magnify, lines*step-magnify))
	for i := range img.Pix {
		img.Pix[i] = math.MaxUint8
	}
	for k := range lines * cols {
		for pixel := range side * side {
			v := x.At(k, pixel)
			if !isFinite(v) {
				return p.fail("images %q: pixel %d of image %d is %v", title, pixel, k, v)
			}
			grey := color.Gray{Y: uint8(math.Round(255 - 225*math.Max(0, math.Min(1, v))))}
			left, top := k%cols*step+pixel%side*magnify, k/cols*step+pixel/side*magnify
			for i := range magnify * magnify {
				img.SetGray(left+i%magnify, top+i/magnify, grey)
			}
		}
	}
	size := img.Bounds().Size()
	l := Limits{0, float64(size.X) / magnify, 0, float64(size.Y) / magnify}
	p.Add(raster{l, img})
	p.HideAxes()
	return p.Limits(l)
}
