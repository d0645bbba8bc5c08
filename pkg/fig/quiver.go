package fig

import (
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/plotter"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Quiver shows a vector field as arrows over contours of a density, with equal aspect. field is [k*k, 2], the vectors at
// the points of l.Mesh(k); density is [m*m], its values at l.Mesh(m) for any m, or nil. Arrow lengths grow with the
// square root of the vectors' norm, because scores span orders of magnitude; those beyond the 95% quantile are cut.
// Contours lie at 5, 20, 40, 60 and 80% of the largest density.
func Quiver(title string, l Limits, field mat.Matrix, density []float64) *Plot {
	p := newPlot(title, "x₁", "x₂").EqualAspect().Limits(l)
	vectors, err := points2D(field)
	if err != nil {
		return p.fail("field of %q: %v", title, err)
	}
	k := isqrt(len(vectors))
	if k < 2 || k*k != len(vectors) {
		return p.fail("field of %q has %d vectors, want k*k as on Limits.Mesh(k)", title, len(vectors))
	}
	if density != nil {
		p.contours(l, density)
	}
	p.Add(newArrows(l, vectors, k))
	return p
}

func isqrt(n int) int { return int(math.Round(math.Sqrt(float64(n)))) }

func (p *Plot) contours(l Limits, density []float64) {
	m := isqrt(len(density))
	if m < 2 || m*m != len(density) {
		p.fail("density of %q has %d values, want m*m as on Limits.Mesh(m)", p.Title.Text, len(density))
		return
	}
	for i, v := range density {
		if !isFinite(v) || v < 0 {
			p.fail("density of %q has %v at point %d, want finite values >= 0", p.Title.Text, v, i)
			return
		}
	}
	top := slices.Max(density)
	if top == 0 {
		p.fail("density of %q is 0 everywhere", p.Title.Text)
		return
	}
	var levels []float64
	for _, f := range []float64{0.05, 0.2, 0.4, 0.6, 0.8} {
		levels = append(levels, f*top)
	}
	c := plotter.NewContour(meshValues{l, m, density}, levels, oneColor{})
	c.LineStyles = []draw.LineStyle{{Color: contourColor, Width: vg.Points(0.9)}}
	p.Add(c)
}

var contourColor = color.NRGBA{230, 159, 0, 255}

// oneColor is the palette that plotter.NewContour insists on; LineStyles decide.
type oneColor struct{}

func (oneColor) Colors() []color.Color { return []color.Color{contourColor} }

// meshValues is a plotter.GridXYZ over Limits.Mesh(m).
type meshValues struct {
	l      Limits
	m      int
	values []float64
}

func (g meshValues) Dims() (c, r int)   { return g.m, g.m }
func (g meshValues) Z(c, r int) float64 { return g.values[r*g.m+c] }
func (g meshValues) X(c int) float64    { return g.l.XMin + float64(c)/float64(g.m-1)*(g.l.XMax-g.l.XMin) }
func (g meshValues) Y(r int) float64    { return g.l.YMin + float64(r)/float64(g.m-1)*(g.l.YMax-g.l.YMin) }

// arrows are centred on the points of a mesh; shares are arrow lengths in units of the mesh width, at most 1.
type arrows struct {
	l         Limits
	k         int
	direction [][2]float64 // unit vectors
	share     []float64
}

func newArrows(l Limits, vectors [][2]float64, k int) arrows {
	a := arrows{l, k, make([][2]float64, len(vectors)), make([]float64, len(vectors))}
	norms := make([]float64, len(vectors))
	for i, v := range vectors {
		norms[i] = math.Hypot(v[0], v[1])
	}
	long := slices.Sorted(slices.Values(norms))[len(norms)*95/100]
	for i, v := range vectors {
		if norms[i] > 0 {
			a.direction[i] = [2]float64{v[0] / norms[i], v[1] / norms[i]}
			a.share[i] = math.Sqrt(min(1, norms[i]/long))
		}
	}
	return a
}

func (a arrows) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	width := min(c.Size().X, c.Size().Y) / vg.Length(a.k)
	at := a.l.Mesh(a.k)
	for i, share := range a.share {
		length := width * vg.Length(0.95*share)
		if length < 0.5 {
			continue
		}
		d := vg.Point{X: vg.Length(a.direction[i][0]), Y: vg.Length(a.direction[i][1])}
		arrow(c, vg.Point{X: tx(at.At(i, 0)), Y: ty(at.At(i, 1))}, d, length)
	}
}

// arrow draws one of a length in the direction d, a unit vector, centred on mid; what lies off the canvas is cut.
func arrow(c draw.Canvas, mid, d vg.Point, length vg.Length) {
	tail, tip := mid.Sub(d.Scale(length/2)), mid.Add(d.Scale(length/2))
	head := min(3, 0.4*length)
	normal := vg.Point{X: -d.Y, Y: d.X}.Scale(0.4 * head)
	base := tip.Sub(d.Scale(head))
	c.StrokeLines(draw.LineStyle{Color: ink, Width: vg.Points(0.6)}, c.ClipLinesXY([]vg.Point{tail, base})...)
	if c.Contains(tip) {
		c.FillPolygon(ink, []vg.Point{tip, base.Add(normal), base.Sub(normal)})
	}
}
