package fig

import (
	"math"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// FlowField shows the directions of solutions x(t) of a scalar ODE as arrows over t: slopes are dx/dt at the points of
// l.Mesh(k), k*k of them, t along the first axis. Arrows are of equal length as drawn, since slopes span orders of magnitude,
// and point to later t, or with reversed to earlier t. Trajectories are added with Line.
func FlowField(title, xlabel, ylabel string, l Limits, slopes []float64, reversed bool) *Plot {
	p := newPlot(title, xlabel, ylabel).Limits(l)
	k := isqrt(len(slopes))
	if k < 2 || k*k != len(slopes) {
		return p.fail("flow field %q has %d slopes, want k*k as on Limits.Mesh(k)", title, len(slopes))
	}
	for i, v := range slopes {
		if !isFinite(v) {
			return p.fail("flow field %q has slope %v at point %d", title, v, i)
		}
	}
	p.Add(directions{l, k, slopes, reversed})
	p.thin = true
	return p
}

// directions are arrows of equal length centred on the points of a mesh.
type directions struct {
	l        Limits
	k        int
	slopes   []float64
	reversed bool
}

// Plot implements plot.Plotter.
func (d directions) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	length := 0.7 * min(c.Size().X, c.Size().Y) / vg.Length(d.k)
	perX := float64(tx(d.l.XMax)-tx(d.l.XMin)) / (d.l.XMax - d.l.XMin)
	perY := float64(ty(d.l.YMax)-ty(d.l.YMin)) / (d.l.YMax - d.l.YMin)
	at := d.l.Mesh(d.k)
	for i, slope := range d.slopes {
		dx, dy := perX, slope*perY
		norm := math.Hypot(dx, dy)
		if d.reversed {
			norm = -norm
		}
		arrow(c, vg.Point{X: tx(at.At(i, 0)), Y: ty(at.At(i, 1))}, vg.Point{X: vg.Length(dx / norm), Y: vg.Length(dy / norm)}, length)
	}
}

// DataRange implements plot.DataRanger.
func (d directions) DataRange() (xmin, xmax, ymin, ymax float64) {
	return d.l.XMin, d.l.XMax, d.l.YMin, d.l.YMax
}
