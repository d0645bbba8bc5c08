package fig

import (
	"image"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg/draw"
)

// Shade shows a function of two variables as a picture without cell borders, light for small and dark for large values,
// such as a density p_t(x) over t and x. values [rows, cols] are its values at the centres of equal cells that cover the
// limits, row 0 at YMin. Curves can be drawn over it. Negative and non-finite values are mistakes.
func Shade(title, xlabel, ylabel string, l Limits, values mat.Matrix) *Plot {
	p := newPlot(title, xlabel, ylabel).Limits(l)
	if values == nil {
		return p.fail("shading %q of a nil matrix", title)
	}
	r, c := values.Dims()
	if r == 0 || c == 0 {
		return p.fail("shading %q of a [%d, %d] matrix, want at least one cell", title, r, c)
	}
	top := 0.0
	for i := range r * c {
		v := values.At(i/c, i%c)
		if !isFinite(v) || v < 0 {
			return p.fail("shading %q has %v in row %d, column %d, want finite values >= 0", title, v, i/c, i%c)
		}
		top = max(top, v)
	}
	if top == 0 {
		return p.fail("shading %q is 0 everywhere", title)
	}
	img := image.NewNRGBA(image.Rect(0, 0, c, r))
	for i := range r * c {
		fill, _ := shade(0.75 * math.Sqrt(values.At(i/c, i%c)/top)) // the root lifts tails; full dark would hide curves
		img.SetNRGBA(i%c, r-1-i/c, fill)
	}
	p.Add(raster{l, img})
	p.thin = true
	return p
}

// ShadeColumns is Shade with each column scaled to its own maximum: a density over time that spreads stays visible.
func ShadeColumns(title, xlabel, ylabel string, l Limits, values mat.Matrix) *Plot {
	if values == nil {
		return Shade(title, xlabel, ylabel, l, nil)
	}
	scaled := mat.DenseCopyOf(values)
	_, c := scaled.Dims()
	for j := range c {
		if column := scaled.ColView(j).(*mat.VecDense); mat.Max(column) > 0 {
			column.ScaleVec(1/mat.Max(column), column)
		}
	}
	return Shade(title, xlabel, ylabel, l, scaled)
}

// ColumnNames labels the columns of a shading, equal cells from left to right, in place of numbers on its x axis.
func (p *Plot) ColumnNames(names ...string) *Plot {
	if p.limits == nil || len(names) == 0 {
		return p.fail("%d column names on %q, want a shading and at least one", len(names), p.Title.Text)
	}
	width := (p.limits.XMax - p.limits.XMin) / float64(len(names))
	ticks := make(plot.ConstantTicks, len(names))
	for i, name := range names {
		ticks[i] = plot.Tick{Value: p.limits.XMin + (float64(i)+0.5)*width, Label: name}
	}
	p.X.Tick.Marker = ticks
	return p
}

// raster fills the limits with an image.
type raster struct {
	Limits
	img image.Image
}

func (s raster) Plot(c draw.Canvas, _ *plot.Plot) { c.DrawImage(c.Rectangle, s.img) }

func (s raster) DataRange() (xmin, xmax, ymin, ymax float64) {
	return s.XMin, s.XMax, s.YMin, s.YMax
}
