package fig

import (
	"image/color"

	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"

	"gonum.org/v1/plot"
)

// legend is a row of named samples of the plot's styles. It lies below the axis, where it covers no data, and wraps to
// as many lines as it needs.
type legend []legendEntry

type legendEntry struct {
	name  string
	thumb func(c *draw.Canvas)
}

func (l *legend) add(name string, thumb func(*draw.Canvas)) {
	if name != "" {
		*l = append(*l, legendEntry{name, thumb})
	}
}

const (
	legendThumb = vg.Length(16)
	legendGap   = vg.Length(12) // between entries
	legendLine  = vg.Length(13)
)

func legendStyle() text.Style {
	s := text.Style{Font: font.From(plot.DefaultFont, 9), YAlign: text.YCenter, Handler: plot.DefaultTextHandler}
	restyle(&s, 9)
	return s
}

func (e legendEntry) width(s text.Style) vg.Length { return legendThumb + 4 + s.Width(e.name) }

// lines breaks the legend to the width.
func (l legend) lines(width vg.Length) [][]legendEntry {
	s := legendStyle()
	var lines [][]legendEntry
	var used vg.Length
	for _, e := range l {
		w := e.width(s) + legendGap
		if len(lines) == 0 || used+w-legendGap > width {
			lines, used = append(lines, nil), 0
		}
		lines[len(lines)-1] = append(lines[len(lines)-1], e)
		used += w
	}
	return lines
}

func (l legend) height(width vg.Length) vg.Length {
	if len(l) == 0 {
		return 0
	}
	return 4 + legendLine*vg.Length(len(l.lines(width)))
}

// draw puts the legend under y = top, its lines centred on x = middle and kept inside c.
func (l legend) draw(c draw.Canvas, middle, top vg.Length) {
	s := legendStyle()
	for i, line := range l.lines(c.Size().X) {
		width := -legendGap
		for _, e := range line {
			width += e.width(s) + legendGap
		}
		x := max(c.Min.X, min(middle-width/2, c.Max.X-width))
		y := top - 4 - legendLine*(vg.Length(i)+0.5)
		for _, e := range line {
			box := vg.Rectangle{Min: vg.Point{X: x, Y: y - 4}, Max: vg.Point{X: x + legendThumb, Y: y + 4}}
			e.thumb(&draw.Canvas{Canvas: c.Canvas, Rectangle: box})
			c.FillText(s, vg.Point{X: x + legendThumb + 4, Y: y}, e.name)
			x += e.width(s) + legendGap
		}
	}
}

func lineThumb(style draw.LineStyle) func(*draw.Canvas) {
	return func(c *draw.Canvas) {
		y := c.Center().Y
		c.StrokeLine2(style, c.Min.X, y, c.Max.X, y)
	}
}

func boxThumb(fill color.Color) func(*draw.Canvas) {
	return func(c *draw.Canvas) {
		c.FillPolygon(fill, []vg.Point{c.Min, {X: c.Max.X, Y: c.Min.Y}, c.Max, {X: c.Min.X, Y: c.Max.Y}})
	}
}

func glyphThumb(style draw.GlyphStyle) func(*draw.Canvas) {
	return func(c *draw.Canvas) { c.DrawGlyph(style, c.Center()) }
}
