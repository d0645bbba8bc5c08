package fig

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/font"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Scatter shows the rows of x [n, 2] as points with equal aspect. Many points are drawn small and translucent, so that
// density stays visible. Axes are called x₁ and x₂.
func Scatter(title string, x mat.Matrix) *Plot {
	return newPlot(title, "x₁", "x₂").EqualAspect().Points("", x)
}

// ScatterClasses is Scatter with one colour per class: labels [n] holds the class of each row of x, 0 to
// len(names)-1, and names go to the legend.
func ScatterClasses(title string, x mat.Matrix, labels []int, names ...string) *Plot {
	p := newPlot(title, "x₁", "x₂").EqualAspect()
	n, d := x.Dims()
	if len(labels) != n {
		return p.fail("scatter %q has %d labels for %d points", title, len(labels), n)
	}
	members := make([][]float64, len(names))
	for i, c := range labels {
		if c < 0 || c >= len(names) {
			return p.fail("scatter %q has label %d in row %d, want 0 to %d", title, c, i, len(names)-1)
		}
		members[c] = append(members[c], mat.Row(nil, i, x)...)
	}
	for c, name := range names {
		if len(members[c]) == 0 {
			p.nextColor() // a class keeps its colour whether or not others have points
			continue
		}
		p.Points(name, mat.NewDense(len(members[c])/d, d, members[c]))
	}
	return p
}

// Points adds the rows of x [n, 2] in the next colour; a name puts them into the legend.
func (p *Plot) Points(name string, x mat.Matrix) *Plot {
	xs, err := points2D(x)
	if err != nil {
		return p.fail("points %q of %q: %v", name, p.Title.Text, err)
	}
	c := p.nextColor()
	style := draw.GlyphStyle{Shape: dot{}, Radius: pointRadius(len(xs)), Color: fade(c, pointAlpha(len(xs)))}
	p.Add(&points{xs, style})
	p.legend.add(name, glyphThumb(draw.GlyphStyle{Shape: draw.CircleGlyph{}, Radius: 3, Color: c}))
	return p
}

// Marks adds the rows of x [n, 2], such as the centres of a mixture, as black crosses.
func (p *Plot) Marks(name string, x mat.Matrix) *Plot {
	xs, err := points2D(x)
	if err != nil {
		return p.fail("marks %q of %q: %v", name, p.Title.Text, err)
	}
	style := draw.GlyphStyle{Shape: draw.CrossGlyph{}, Radius: 4, Color: ink}
	p.Add(&points{xs, style})
	p.legend.add(name, glyphThumb(style))
	return p
}

// Size and opacity of n points, so chosen that a cloud of any size neither vanishes nor turns into one blot.
func pointRadius(n int) vg.Length {
	return vg.Length(min(2, max(0.8, 5*math.Pow(float64(n), -0.2))))
}

func pointAlpha(n int) float64 { return min(0.7, max(0.1, 14/math.Sqrt(float64(n)))) }

// dot is a filled octagon: at the size of a few pixels a disc, drawn in a quarter of the time of one.
type dot struct{}

func (dot) DrawGlyph(c *draw.Canvas, sty draw.GlyphStyle, at vg.Point) {
	path := make(vg.Path, 0, 9)
	for i, d := range octagon {
		p := at.Add(d.Scale(sty.Radius))
		if i == 0 {
			path.Move(p)
		} else {
			path.Line(p)
		}
	}
	path.Close()
	c.SetColor(sty.Color)
	c.Fill(path)
}

var octagon = func() (corners [8]vg.Point) {
	for i := range corners {
		sin, cos := math.Sincos((float64(i) + 0.5) * math.Pi / 4)
		corners[i] = vg.Point{X: vg.Length(cos), Y: vg.Length(sin)}
	}
	return corners
}()

func fade(c color.NRGBA, alpha float64) color.NRGBA {
	c.A = uint8(math.Round(255 * alpha))
	return c
}

func points2D(x mat.Matrix) ([][2]float64, error) {
	if x == nil {
		return nil, fmt.Errorf("matrix is nil")
	}
	n, d := x.Dims()
	if n == 0 || d != 2 {
		return nil, fmt.Errorf("matrix is [%d, %d], want [n, 2] with n > 0", n, d)
	}
	xs := make([][2]float64, n)
	for i := range xs {
		xs[i] = [2]float64{x.At(i, 0), x.At(i, 1)}
		if !isFinite(xs[i][0]) || !isFinite(xs[i][1]) {
			return nil, fmt.Errorf("row %d is %v, want finite values", i, xs[i])
		}
	}
	return xs, nil
}

// points draws glyphs inside the axes and says how many lie outside: a reader must not take cut points for absent ones.
type points struct {
	xs    [][2]float64
	style draw.GlyphStyle
}

func (s *points) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	style := s.style
	if _, ok := style.Shape.(dot); ok { // smaller in a small panel
		style.Radius = min(style.Radius, max(0.5, min(c.Size().X, c.Size().Y)/180))
	}
	outside := 0
	for _, x := range s.xs {
		if x[0] < p.X.Min || x[0] > p.X.Max || x[1] < p.Y.Min || x[1] > p.Y.Max {
			outside++
			continue
		}
		c.DrawGlyphNoClip(style, vg.Point{X: tx(x[0]), Y: ty(x[1])})
	}
	if outside > 0 {
		note := text.Style{Font: font.From(plot.DefaultFont, 7), XAlign: text.XRight, YAlign: text.YBottom, Handler: plot.DefaultTextHandler}
		restyle(&note, 7)
		c.FillText(note, vg.Point{X: c.Max.X - 2, Y: c.Min.Y + 1}, fmt.Sprintf("%d of %d outside", outside, len(s.xs)))
	}
}

// DataRange leaves a little room, so that no point sits on an axis.
func (s *points) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, xmax, ymin, ymax = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, x := range s.xs {
		xmin, xmax, ymin, ymax = min(xmin, x[0]), max(xmax, x[0]), min(ymin, x[1]), max(ymax, x[1])
	}
	dx, dy := room(xmin, xmax), room(ymin, ymax)
	return xmin - dx, xmax + dx, ymin - dy, ymax + dy
}

// room is 4% of the data range, or 1 when all data are equal.
func room(lo, hi float64) float64 {
	if lo == hi {
		return 1
	}
	return 0.04 * (hi - lo)
}
