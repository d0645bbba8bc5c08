package fig

import (
	"fmt"
	"image/color"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Plot is a gonum plot with this package's look: everything of plot.Plot can still be set. The methods of this package
// return the plot itself, so that calls chain. A mistake (NaN in a curve, wrong shape) is kept and reported when the
// figure is shown.
type Plot struct {
	*plot.Plot
	equal  bool    // one unit is as long on x as on y
	limits *Limits // fixed axis limits; nil: those of the data
	roomY  bool    // leave room between the data and the ends of the y axis
	thin   bool    // draw curves as thin paths
	legend legend
	colors int // palette colours used so far
	err    error
}

// hues is the colour-blind safe palette of Okabe and Ito (2008), without its yellow, which is faint on white.
var hues = []color.NRGBA{
	{0, 114, 178, 255},   // blue
	{213, 94, 0, 255},    // vermilion
	{0, 158, 115, 255},   // bluish green
	{204, 121, 167, 255}, // reddish purple
	{230, 159, 0, 255},   // orange
	{86, 180, 233, 255},  // sky blue
	{110, 110, 110, 255}, // grey
}

var (
	ink   = color.NRGBA{40, 40, 40, 255}    // text and exact laws
	faint = color.NRGBA{120, 120, 120, 255} // axes and reference lines
	light = color.NRGBA{228, 228, 228, 255} // grid
)

// newPlot is an empty plot with labelled axes and a light grid.
func newPlot(title, xlabel, ylabel string) *Plot {
	p := &Plot{Plot: plot.New()}
	p.BackgroundColor = nil // the canvas is white already, and neighbours' labels must not be painted over
	p.Title.Text, p.X.Label.Text, p.Y.Label.Text = title, xlabel, ylabel
	p.Title.Padding = vg.Points(5)
	restyle(&p.Title.TextStyle, 11)
	for _, a := range []*plot.Axis{&p.X, &p.Y} {
		restyle(&a.Label.TextStyle, 10)
		restyle(&a.Tick.Label, 9)
		a.Label.Padding = vg.Points(3)
		a.Padding = 0
		a.LineStyle.Color, a.Tick.LineStyle.Color = faint, faint
		a.Tick.Length = vg.Points(3)
		a.Tick.Marker = linearTicks{}
	}
	grid := plotter.NewGrid()
	grid.Horizontal.Color, grid.Vertical.Color = light, light
	p.Add(grid)
	return p
}

func restyle(s *text.Style, size float64) {
	s.Font.Variant = "Sans"
	s.Font.Size = vg.Points(size)
	s.Color = ink
}

// nextColor steps through the hues.
func (p *Plot) nextColor() color.NRGBA {
	c := hues[p.colors%len(hues)]
	p.colors++
	return c
}

// Err is the first mistake made while the plot was put together, or nil.
func (p *Plot) Err() error { return p.err }

// fail keeps the first mistake.
func (p *Plot) fail(format string, args ...any) *Plot {
	if p.err == nil {
		p.err = fmt.Errorf("fig: "+format, args...)
	}
	return p
}

// Limits are the ends of both axes.
type Limits struct{ XMin, XMax, YMin, YMax float64 }

// Square is [-r, r] on both axes, r > 0.
func Square(r float64) Limits { return Limits{-r, r, -r, r} }

// Mesh is the grid of n x n points, n >= 2, that covers the limits: rows [n*n, 2], x running fastest. Quiver wants
// fields and densities on such points.
func (l Limits) Mesh(n int) *mat.Dense {
	if n < 2 {
		panic(fmt.Errorf("fig: mesh of %d x %d points, want at least 2 x 2", n, n))
	}
	points := mat.NewDense(n*n, 2, nil)
	for i := range n * n {
		fx, fy := float64(i%n)/float64(n-1), float64(i/n)/float64(n-1)
		points.SetRow(i, []float64{l.XMin + fx*(l.XMax-l.XMin), l.YMin + fy*(l.YMax-l.YMin)})
	}
	return points
}

func (l Limits) valid() bool {
	return l.XMin < l.XMax && l.YMin < l.YMax && isFinite(l.XMax-l.XMin) && isFinite(l.YMax-l.YMin)
}

// Limits fixes the ends of both axes. Points beyond them are not drawn; a scatter says how many.
func (p *Plot) Limits(l Limits) *Plot {
	if !l.valid() {
		return p.fail("limits %+v, want finite ones with min < max", l)
	}
	p.limits = &l
	return p
}

// EqualAspect makes one unit as long on the x axis as on the y axis. Scatter and Quiver have it already.
func (p *Plot) EqualAspect() *Plot {
	p.equal = true
	return p
}

// LogX makes the x axis logarithmic; all x must be positive.
func (p *Plot) LogX() *Plot {
	p.X.Scale, p.X.Tick.Marker = plot.LogScale{}, logTicks{}
	return p
}

// LogY makes the y axis logarithmic; all y must be positive.
func (p *Plot) LogY() *Plot {
	p.Y.Scale, p.Y.Tick.Marker = plot.LogScale{}, logTicks{}
	return p
}

// VLine marks an x with a dashed vertical line; an empty name leaves it out of the legend.
func (p *Plot) VLine(x float64, name string) *Plot { return p.rule(name, []float64{x, x}, nil) }

// HLine marks a y with a dashed horizontal line; an empty name leaves it out of the legend.
func (p *Plot) HLine(y float64, name string) *Plot { return p.rule(name, nil, []float64{y, y}) }

func (p *Plot) rule(name string, x, y []float64) *Plot {
	for _, v := range append(x, y...) {
		if !isFinite(v) {
			return p.fail("line %q at %v, want a finite value", name, v)
		}
	}
	style := draw.LineStyle{Color: faint, Width: vg.Points(1), Dashes: dashes}
	p.Add(rule{x: x, y: y, style: style})
	p.legend.add(name, lineThumb(style))
	return p
}

var dashes = []vg.Length{vg.Points(4), vg.Points(3)}

// rule spans the whole plot at one x or one y and widens the data range to hold it.
type rule struct {
	x, y  []float64 // one of them is nil
	style draw.LineStyle
}

func (r rule) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	if r.x != nil {
		c.StrokeLines(r.style, c.ClipLinesXY([]vg.Point{{X: tx(r.x[0]), Y: c.Min.Y}, {X: tx(r.x[0]), Y: c.Max.Y}})...)
		return
	}
	c.StrokeLines(r.style, c.ClipLinesXY([]vg.Point{{X: c.Min.X, Y: ty(r.y[0])}, {X: c.Max.X, Y: ty(r.y[0])}})...)
}

func (r rule) DataRange() (xmin, xmax, ymin, ymax float64) {
	xmin, xmax, ymin, ymax = math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	if r.x != nil {
		return r.x[0], r.x[0], ymin, ymax
	}
	return xmin, xmax, r.y[0], r.y[0]
}
