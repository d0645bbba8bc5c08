package fig

import (
	"cmp"
	"fmt"
	"image/color"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/plot"
	"gonum.org/v1/plot/text"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// View is the direction from which space is seen, in degrees: Azimuth about the third axis, 0 from the first axis, and
// Elevation above the plane of the first two, 90 from above.
type View struct{ Azimuth, Elevation float64 }

// project returns where a point appears, to the right and up, and its depth towards the viewer.
func (v View) project(x [3]float64) (right, up, depth float64) {
	sinA, cosA := math.Sincos(v.Azimuth * math.Pi / 180)
	sinE, cosE := math.Sincos(v.Elevation * math.Pi / 180)
	near := cosA*x[0] + sinA*x[1]
	return cosA*x[1] - sinA*x[0], cosE*x[2] - sinE*near, cosE*near + sinE*x[2]
}

// Scatter3D shows the rows of x [n, 3] as points in parallel projection: near points are dark and cover far ones, which are
// light. Three edges of the box around the points carry the names of the axes. The scale is the same for all views.
func Scatter3D(title string, x mat.Matrix, v View) *Plot {
	p := newPlot(title, "", "").EqualAspect()
	c, err := newPoints3D(x, v)
	if err != nil {
		return p.fail("scatter %q: %v", title, err)
	}
	p.Add(c)
	p.HideAxes()
	return p.Limits(Square(1.1 * math.Sqrt(c.half[0]*c.half[0]+c.half[1]*c.half[1]+c.half[2]*c.half[2])))
}

// points3D is a set of points about the middle of their box, sorted from far to near.
type points3D struct {
	view View
	half [3]float64 // of the box's edges
	at   [][3]float64
}

func newPoints3D(x mat.Matrix, v View) (*points3D, error) {
	if !isFinite(v.Azimuth) || !isFinite(v.Elevation) {
		return nil, fmt.Errorf("view %+v, want finite angles", v)
	}
	if x == nil {
		return nil, fmt.Errorf("matrix is nil")
	}
	n, d := x.Dims()
	if n == 0 || d != 3 {
		return nil, fmt.Errorf("matrix is [%d, %d], want [n, 3] with n > 0", n, d)
	}
	c := &points3D{view: v, at: make([][3]float64, n)}
	for k := range 3 {
		column := mat.Col(nil, k, x)
		low, high := slices.Min(column), slices.Max(column)
		if !isFinite(high-low) || slices.ContainsFunc(column, math.IsNaN) {
			return nil, fmt.Errorf("column %d has values that are not finite", k)
		}
		c.half[k] = max((high-low)/2, 1e-12)
		for i, value := range column {
			c.at[i][k] = value - (low+high)/2
		}
	}
	slices.SortFunc(c.at, func(a, b [3]float64) int {
		_, _, da := v.project(a)
		_, _, db := v.project(b)
		return cmp.Compare(da, db)
	})
	return c, nil
}

// Plot implements plot.Plotter.
func (c *points3D) Plot(canvas draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&canvas)
	place := func(x [3]float64) vg.Point {
		right, up, _ := c.view.project(x)
		return vg.Point{X: tx(right), Y: ty(up)}
	}
	c.axes(canvas, p, place)
	reach := math.Sqrt(c.half[0]*c.half[0] + c.half[1]*c.half[1] + c.half[2]*c.half[2])
	style := draw.GlyphStyle{Shape: dot{}, Radius: min(pointRadius(len(c.at)), canvas.Size().X/150)}
	for _, x := range c.at {
		_, _, depth := c.view.project(x)
		style.Color = byDepth((depth/reach + 1) / 2)
		canvas.DrawGlyphNoClip(style, place(x))
	}
}

// byDepth goes from a light blue, far, to the dark blue of the palette, near.
func byDepth(near float64) color.Color {
	near = max(0, min(1, near))
	mix := func(far, close uint8) uint8 { return uint8(float64(far)*(1-near) + float64(close)*near) }
	return color.NRGBA{mix(205, 0), mix(225, 70), mix(240, 130), 255}
}

// shows says whether an axis has a length in the picture. One that points at the eye has no end to write a name at.
func (v View) shows(axis int) bool {
	var unit [3]float64
	unit[axis] = 1
	right, up, _ := v.project(unit)
	return math.Hypot(right, up) > 0.1
}

// axes draws the edges of the box that meet in its lowest corner, with names at their ends.
func (c *points3D) axes(canvas draw.Canvas, p *plot.Plot, place func([3]float64) vg.Point) {
	corner := [3]float64{-c.half[0], -c.half[1], -c.half[2]}
	label := p.X.Tick.Label
	label.XAlign, label.YAlign = text.XCenter, text.YCenter
	for k, name := range []string{"x₁", "x₂", "x₃"} {
		end, beyond := corner, corner
		end[k], beyond[k] = c.half[k], 1.25*c.half[k]
		canvas.StrokeLine2(draw.LineStyle{Color: faint, Width: vg.Points(0.7)}, place(corner).X, place(corner).Y, place(end).X, place(end).Y)
		if c.view.shows(k) {
			canvas.FillText(label, place(beyond), name)
		}
	}
}
