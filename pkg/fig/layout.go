package fig

import (
	"fmt"
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Drawer is anything that fits on a canvas: a *Plot, *Panels or a gonum *plot.Plot.
type Drawer interface{ Draw(draw.Canvas) }

// margins is the space around the data area that title, axes and legend take.
type margins struct{ left, right, bottom, top vg.Length }

func (m margins) union(o margins) margins {
	return margins{max(m.left, o.left), max(m.right, o.right), max(m.bottom, o.bottom), max(m.top, o.top)}
}

func (m margins) inside(r vg.Rectangle) vg.Rectangle {
	r.Min.X, r.Max.X, r.Min.Y, r.Max.Y = r.Min.X+m.left, r.Max.X-m.right, r.Min.Y+m.bottom, r.Max.Y-m.top
	return r
}

// Draw implements Drawer.
func (p *Plot) Draw(c draw.Canvas) {
	m := p.margins(c)
	p.drawAround(c, m.inside(c.Rectangle))
}

// view is the plot as it is drawn: with its final limits, and without its title, which drawAround places itself
// because gonum's distance from the data varies with the tick labels.
func (p *Plot) view() *plot.Plot {
	v := *p.Plot
	v.Title.Text = ""
	if p.roomY {
		v.Y.Min, v.Y.Max = widened(v.Y)
	}
	if l := p.limits; l != nil {
		v.X.Min, v.X.Max, v.Y.Min, v.Y.Max = l.XMin, l.XMax, l.YMin, l.YMax
	}
	return &v
}

// widened leaves room of 4% beyond both ends of the data.
func widened(a plot.Axis) (lo, hi float64) {
	if isLog(a) {
		f := math.Exp(room(math.Log(a.Min), math.Log(a.Max)))
		return a.Min / f, a.Max * f
	}
	d := room(a.Min, a.Max)
	return a.Min - d, a.Max + d
}

func isLog(a plot.Axis) bool {
	_, log := a.Scale.(plot.LogScale)
	return log
}

// prepare reports mistakes, also those that can only be known once all data are there.
func (p *Plot) prepare() error {
	if p.err != nil {
		return p.err
	}
	v := p.view()
	for name, a := range map[string][2]plot.Axis{"x": {p.X, v.X}, "y": {p.Y, v.Y}} {
		if low := min(a[0].Min, a[1].Min); isLog(a[0]) && low <= 0 {
			return fmt.Errorf("fig: plot %q has %s = %v on a logarithmic axis, want positive values", p.Title.Text, name, low)
		}
	}
	return nil
}

// margins measures the space around the data when the plot is drawn on c.
func (p *Plot) margins(c draw.Canvas) margins {
	v := p.view()
	if isLog(v.Y) && v.Y.Label.Text != "" {
		v.Y.Label.Text = "y" // gonum centres the label at the arithmetic mean and makes room above the axis for it
	}
	data := v.DataCanvas(c)
	return margins{
		left: data.Min.X - c.Min.X, right: c.Max.X - data.Max.X,
		bottom: data.Min.Y - c.Min.Y + p.legend.height(c.Size().X), top: c.Max.Y - data.Max.Y + p.titleHeight(),
	}
}

func (p *Plot) titleHeight() vg.Length {
	if p.Title.Text == "" {
		return 0
	}
	return p.Title.TextStyle.Height(p.Title.Text) + p.Title.Padding
}

// drawAround draws the plot so that its data area is `area`, or with equal aspect the largest area of the right shape
// in it; the legend may use the full width of c.
func (p *Plot) drawAround(c draw.Canvas, area vg.Rectangle) {
	v := p.view()
	if p.equal {
		area = equalArea(v, area)
	}
	outer := draw.Canvas{Canvas: c.Canvas, Rectangle: area}
	// Axis labels reach outside the area by lengths that hardly depend on its size, so this settles in two rounds.
	for range 4 {
		got := v.DataCanvas(outer)
		outer.Min = outer.Min.Add(area.Min.Sub(got.Min))
		outer.Max = outer.Max.Add(area.Max.Sub(got.Max))
	}
	v.Draw(outer)
	middle := (area.Min.X + area.Max.X) / 2
	title := p.Title.TextStyle
	title.YAlign = text.YBottom
	c.FillText(title, vg.Point{X: middle, Y: area.Max.Y + p.Title.Padding}, p.Title.Text)
	p.legend.draw(c, middle, outer.Min.Y)
}

// equalArea is the largest part of r in which one unit is as long on x as on y.
func equalArea(v *plot.Plot, r vg.Rectangle) vg.Rectangle {
	size := r.Size()
	width, height := vg.Length(v.X.Max-v.X.Min), vg.Length(v.Y.Max-v.Y.Min)
	unit := min(size.X/width, size.Y/height)
	dx, dy := (size.X-unit*width)/2, (size.Y-unit*height)/2
	return margins{dx, dx, dy, dy}.inside(r)
}

// Panels is a grid of figures in one image. Data areas of its plots are equally large and aligned.
type Panels struct {
	rows, cols int
	cells      []Drawer
}

// Row puts figures side by side.
func Row(cells ...Drawer) *Panels { return Grid(1, len(cells), cells...) }

// Grid fills rows x cols places row by row; a nil cell stays empty, as do missing last ones.
func Grid(rows, cols int, cells ...Drawer) *Panels { return &Panels{rows, cols, cells} }

// panelGap separates neighbouring panels.
const panelGap = vg.Length(10)

// Draw implements Drawer.
func (g *Panels) Draw(c draw.Canvas) {
	tiles := draw.Tiles{Rows: g.rows, Cols: g.cols, PadX: panelGap, PadY: panelGap}
	var common margins
	for i, cell := range g.cells {
		if p, ok := cell.(*Plot); ok && p != nil {
			common = common.union(p.margins(tiles.At(c, i%g.cols, i/g.cols)))
		}
	}
	for i, cell := range g.cells {
		tile := tiles.At(c, i%g.cols, i/g.cols)
		switch cell := cell.(type) {
		case nil:
		case *Plot:
			cell.drawAround(tile, common.inside(tile.Rectangle))
		default:
			cell.Draw(tile)
		}
	}
}

func (g *Panels) prepare() error {
	if g.rows < 1 || g.cols < 1 || len(g.cells) > g.rows*g.cols {
		return fmt.Errorf("fig: %d panels in a grid of %d x %d", len(g.cells), g.rows, g.cols)
	}
	for _, cell := range g.cells {
		if err := prepare(cell); err != nil {
			return err
		}
	}
	return nil
}

// prepare readies a figure of this package for drawing; others have nothing to prepare.
func prepare(d Drawer) error {
	if f, ok := d.(interface{ prepare() error }); ok {
		return f.prepare()
	}
	return nil
}
