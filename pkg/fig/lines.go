package fig

import (
	"image/color"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Series is one curve of Lines.
type Series struct {
	Name      string      // in the legend; empty for none
	X, Y      []float64   // equally long, finite, at least one point
	Low, High []float64   // ends of an error band, as long as Y; nil for none
	Dashed    bool        // for a reference: dashed and dark, outside the palette
	Markers   bool        // a dot at each point
	Color     color.Color // nil: the next of the palette
}

// Lines shows curves, more than seven of them as thin paths. LogX and LogY make its axes logarithmic.
func Lines(title, xlabel, ylabel string, series ...Series) *Plot {
	p := newPlot(title, xlabel, ylabel)
	p.roomY = true
	p.thin = len(series) > len(hues) // a bundle of paths
	if len(series) == 0 {
		p.fail("plot %q has no series", title)
	}
	for _, s := range series {
		p.Line(s)
	}
	return p
}

// Line adds a curve.
func (p *Plot) Line(s Series) *Plot {
	n := len(s.X)
	if n == 0 || len(s.Y) != n || s.Low != nil && len(s.Low) != n || len(s.High) != len(s.Low) {
		return p.fail("series %q has %d x, %d y, %d low and %d high values, want equally many (or no low and high)",
			s.Name, n, len(s.Y), len(s.Low), len(s.High))
	}
	for i := range s.X {
		if !isFinite(s.X[i]) || !isFinite(s.Y[i]) || s.Low != nil && !(isFinite(s.Low[i]) && isFinite(s.High[i])) {
			return p.fail("series %q is not finite at point %d (x %v, y %v)", s.Name, i, s.X[i], s.Y[i])
		}
	}
	c := &curve{Series: s, style: p.lineStyle(s)}
	p.Add(c)
	p.legend.add(s.Name, c.thumb)
	return p
}

func (p *Plot) lineStyle(s Series) draw.LineStyle {
	style := draw.LineStyle{Width: vg.Points(1.5), Color: s.Color}
	if p.thin {
		style.Width = vg.Points(0.7)
	}
	if s.Dashed {
		style.Width, style.Dashes = vg.Points(1.2), dashes
	}
	if s.Color == nil && s.Dashed {
		style.Color = ink
	} else if s.Color == nil {
		style.Color = p.nextColor()
	}
	return style
}

type curve struct {
	Series
	style draw.LineStyle
}

func (s *curve) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	at := func(y []float64) []vg.Point {
		pts := make([]vg.Point, len(s.X))
		for i := range pts {
			pts[i] = vg.Point{X: tx(s.X[i]), Y: ty(y[i])}
		}
		return pts
	}
	if s.Low != nil {
		band := at(s.Low)
		high := at(s.High)
		for i := range high {
			band = append(band, high[len(high)-1-i])
		}
		c.FillPolygon(s.bandColor(), c.ClipPolygonXY(band))
	}
	line := at(s.Y)
	c.StrokeLines(s.style, c.ClipLinesXY(line)...)
	if s.Markers {
		for _, pt := range line {
			c.DrawGlyph(s.glyph(), pt)
		}
	}
}

func (s *curve) bandColor() color.Color {
	return fade(color.NRGBAModel.Convert(s.style.Color).(color.NRGBA), 0.2)
}

func (s *curve) glyph() draw.GlyphStyle {
	return draw.GlyphStyle{Shape: draw.CircleGlyph{}, Radius: vg.Points(2.4), Color: s.style.Color}
}

func (s *curve) thumb(c *draw.Canvas) {
	if s.Low != nil {
		boxThumb(s.bandColor())(c)
	}
	lineThumb(s.style)(c)
	if s.Markers {
		c.DrawGlyph(s.glyph(), c.Center())
	}
}

func (s *curve) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, xmax, ymin, ymax = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, v := range s.X {
		xmin, xmax = min(xmin, v), max(xmax, v)
	}
	for _, ys := range [][]float64{s.Y, s.Low, s.High} {
		for _, v := range ys {
			ymin, ymax = min(ymin, v), max(ymax, v)
		}
	}
	return
}
