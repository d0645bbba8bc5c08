package fig

import (
	"image/color"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Heat shows values [len(rows), len(cols)] as coloured cells with the numbers in them, such as an error rate over number
// of steps (rows, from the top) and signal-to-noise ratio (columns). Colours run from light (small) to dark; when all
// values are positive and span more than a factor of 10, on a logarithmic scale. NaN cells are grey and empty. Matrices
// in peers, those of the other panels of a row, widen the range of colours, so that equal colours mean equal values.
func Heat(title, xlabel, ylabel string, cols, rows []string, values mat.Matrix, peers ...mat.Matrix) *Plot {
	p := newPlot(title, xlabel, ylabel)
	if values == nil {
		return p.fail("heat map %q of a nil matrix", title)
	}
	if r, c := values.Dims(); r == 0 || c == 0 || r != len(rows) || c != len(cols) {
		return p.fail("heat map %q has values [%d, %d] for %d row and %d column labels", title, r, c, len(rows), len(cols))
	}
	p.Add(newCells(values, peers))
	p.X.Tick.Marker, p.Y.Tick.Marker = nameTicks(cols, false), nameTicks(rows, true)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		a.LineStyle.Width = 0
		a.Tick.LineStyle.Color = color.Transparent // but as long as ever, to keep labels off the cells
	}
	return p
}

// nameTicks labels the cells 0, 1, ... of an axis; reversed puts the first at the far end.
func nameTicks(names []string, reversed bool) plot.ConstantTicks {
	ticks := make(plot.ConstantTicks, len(names))
	for i, name := range names {
		at := i
		if reversed {
			at = len(names) - 1 - i
		}
		ticks[i] = plot.Tick{Value: float64(at), Label: name}
	}
	return ticks
}

type cells struct {
	values mat.Matrix
	scale  func(v float64) float64 // to [0, 1]
}

func newCells(values mat.Matrix, peers []mat.Matrix) cells {
	lo, hi := math.Inf(1), math.Inf(-1)
	for _, m := range append([]mat.Matrix{values}, peers...) {
		r, c := m.Dims()
		for i := range r * c {
			if v := m.At(i/c, i%c); isFinite(v) {
				lo, hi = min(lo, v), max(hi, v)
			}
		}
	}
	if lo > 0 && hi > 10*lo {
		return cells{values, func(v float64) float64 { return math.Log(v/lo) / math.Log(hi/lo) }}
	}
	if !(hi > lo) {
		return cells{values, func(float64) float64 { return 0.3 }}
	}
	return cells{values, func(v float64) float64 { return (v - lo) / (hi - lo) }}
}

func (h cells) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	label := text.Style{Font: font.From(plot.DefaultFont, 9), XAlign: text.XCenter, YAlign: text.YCenter, Handler: plot.DefaultTextHandler}
	restyle(&label, 9)
	r, n := h.values.Dims()
	for i := range r {
		for j := range n {
			x, y := float64(j), float64(r-1-i)
			v := h.values.At(i, j)
			fill, ink := color.NRGBA{235, 235, 235, 255}, ink
			if isFinite(v) {
				fill, ink = shade(h.scale(v))
			}
			a, b := vg.Point{X: tx(x - 0.5), Y: ty(y - 0.5)}, vg.Point{X: tx(x + 0.5), Y: ty(y + 0.5)}
			c.FillPolygon(fill, []vg.Point{a, {X: b.X, Y: a.Y}, b, {X: a.X, Y: b.Y}})
			if isFinite(v) {
				label.Color = ink
				c.FillText(label, vg.Point{X: tx(x), Y: ty(y)}, minus(Num(v, 2)))
			}
		}
	}
}

func (h cells) DataRange() (xmin, xmax, ymin, ymax float64) {
	r, c := h.values.Dims()
	return -0.5, float64(c) - 0.5, -0.5, float64(r) - 0.5
}

// shade is a colour of even lightness steps from near white to dark blue, with a text colour that reads on it.
func shade(f float64) (fill, text color.NRGBA) {
	light, dark := [3]float64{247, 251, 255}, [3]float64{8, 48, 107}
	mid := [3]float64{107, 174, 214}
	from, to, g := light, mid, 2*f
	if f > 0.5 {
		from, to, g = mid, dark, 2*f-1
	}
	mix := func(i int) uint8 { return uint8(math.Round(from[i] + g*(to[i]-from[i]))) }
	text = ink
	if f > 0.55 {
		text = color.NRGBA{255, 255, 255, 255}
	}
	return color.NRGBA{mix(0), mix(1), mix(2), 255}, text
}
