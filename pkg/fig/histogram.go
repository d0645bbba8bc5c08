package fig

import (
	"math"
	"slices"

	"gonum.org/v1/plot"
	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
)

// Histogram shows the samples as bars of total area 1 and over them the exact density, if it is not nil.
func Histogram(title, xlabel string, samples []float64, density func(float64) float64) *Plot {
	p := newPlot(title, xlabel, "density")
	if len(samples) < 2 {
		return p.fail("histogram %q of %d samples, want at least 2", title, len(samples))
	}
	for i, v := range samples {
		if !isFinite(v) {
			return p.fail("histogram %q has %v in row %d, want finite values", title, v, i)
		}
	}
	bars := newBars(samples)
	p.Add(bars)
	if density == nil {
		return p
	}
	p.legend.add("samples", boxThumb(barColor))
	s := Series{Name: "exact", Color: ink}
	const points = 400
	lo, hi := bars.edge(0), bars.edge(len(bars.height))
	for i := range points + 1 {
		x := lo + (hi-lo)*float64(i)/points
		s.X, s.Y = append(s.X, x), append(s.Y, density(x))
	}
	return p.Line(s)
}

var barColor = fade(hues[0], 0.45)

// bars is a histogram with equal bins.
type bars struct {
	lo, width float64
	height    []float64 // density of each bin
}

// newBars bins by the rule of Freedman and Diaconis (1981), width 2 IQR n^(-1/3), within 10 to 150 bins.
func newBars(samples []float64) bars {
	a := slices.Sorted(slices.Values(samples))
	n := len(a)
	lo, hi := a[0], a[n-1]
	if lo == hi {
		lo, hi = lo-0.5, hi+0.5
	}
	width := 2 * (a[3*n/4] - a[n/4]) * math.Pow(float64(n), -1.0/3)
	bins := int(min(150, max(10, math.Ceil((hi-lo)/width)))) // a width of 0 gives 150
	b := bars{lo: lo, width: (hi - lo) / float64(bins), height: make([]float64, bins)}
	for _, v := range a {
		b.height[min(bins-1, int((v-lo)/b.width))] += 1 / (float64(n) * b.width)
	}
	return b
}

func (b bars) edge(i int) float64 { return b.lo + float64(i)*b.width }

func (b bars) Plot(c draw.Canvas, p *plot.Plot) {
	tx, ty := p.Transforms(&c)
	// One polygon, because neighbouring translucent bars would show seams.
	outline := []vg.Point{{X: tx(b.lo), Y: ty(0)}}
	for i, h := range b.height {
		outline = append(outline, vg.Point{X: tx(b.edge(i)), Y: ty(h)}, vg.Point{X: tx(b.edge(i + 1)), Y: ty(h)})
	}
	outline = append(outline, vg.Point{X: tx(b.edge(len(b.height))), Y: ty(0)})
	c.FillPolygon(barColor, c.ClipPolygonXY(outline))
}

func (b bars) DataRange() (xmin, xmax, ymin, ymax float64) {
	return b.lo, b.edge(len(b.height)), 0, 1.05 * slices.Max(b.height)
}
