package fig

import (
	"bytes"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// picture renders a figure and decodes it.
func picture(t *testing.T, figure Drawer, width, height float64) image.Image {
	t.Helper()
	data, err := render(figure, width, height)
	if err != nil {
		t.Fatal(err)
	}
	img, err := png.Decode(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if got, want := img.Bounds().Size(), image.Pt(int(math.Round(width*dpi)), int(math.Round(height*dpi))); got != want {
		t.Errorf("image is %v pixels, want %v", got, want)
	}
	return img
}

// find returns the number and the bounding box of the pixels for which like holds.
func find(img image.Image, r image.Rectangle, like func(r, g, b int) bool) (n int, box image.Rectangle) {
	for y := r.Min.Y; y < r.Max.Y; y++ {
		for x := r.Min.X; x < r.Max.X; x++ {
			c := color.NRGBAModel.Convert(img.At(x, y)).(color.NRGBA)
			if like(int(c.R), int(c.G), int(c.B)) {
				n++
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return n, box
}

func blue(r, g, b int) bool   { return b > 150 && b-r > 60 }
func orange(r, g, b int) bool { return r > 180 && r-b > 100 && g > 100 }
func inked(r, g, b int) bool  { return r+g+b < 3*250 }

func wantShare(t *testing.T, what string, img image.Image, lo, hi float64) {
	t.Helper()
	n, _ := find(img, img.Bounds(), inked)
	size := img.Bounds().Size()
	if share := float64(n) / float64(size.X*size.Y); share < lo || share > hi {
		t.Errorf("%s: %.3f of the pixels are not background, want %v to %v", what, share, lo, hi)
	}
}

// corners are the ends of a cross of diameter 2.
var corners = mat.NewDense(4, 2, []float64{1, 0, 0, 1, -1, 0, 0, -1})

func cloud(n int) *mat.Dense {
	rng := rand.New(rand.NewPCG(1, 4))
	x := mat.NewDense(n, 2, nil)
	for i := range n {
		x.SetRow(i, []float64{rng.NormFloat64(), rng.NormFloat64()})
	}
	return x
}

func TestScatterHasEqualAspect(t *testing.T) {
	for _, size := range [][2]float64{{6, 3}, {3, 6}} {
		img := picture(t, Scatter("", corners).Limits(Square(2)), size[0], size[1])
		n, box := find(img, img.Bounds(), blue)
		if n == 0 || math.Abs(float64(box.Dx()-box.Dy())) > 2 {
			t.Errorf("%v inches: a cross of equal arms is %v pixels", size, box.Size())
		}
	}
	img := picture(t, newPlot("", "", "").Points("", corners).Limits(Square(2)), 6, 3)
	if _, box := find(img, img.Bounds(), blue); box.Dx() < 3*box.Dy()/2 {
		t.Errorf("without equal aspect the cross is %v pixels, want it to fill the figure", box.Size())
	}
}

func TestScatterOfManyPoints(t *testing.T) {
	img := picture(t, Scatter("20 000 points", cloud(20000)).Limits(Square(4)), 4, 4)
	wantShare(t, "scatter", img, 0.1, 0.7)
	// The cloud is darkest in its middle and its density can be told from there to the edge.
	n, box := find(img, img.Bounds(), blue)
	if n == 0 {
		t.Fatal("no points to be seen")
	}
	level := func(x int) (sum int) {
		y := (box.Min.Y + box.Max.Y) / 2
		for dy := -5; dy <= 5; dy++ {
			for dx := -5; dx <= 5; dx++ {
				r, _, _, _ := img.At(x+dx, y+dy).RGBA()
				sum += int(r >> 8)
			}
		}
		return sum
	}
	middle := (box.Min.X + box.Max.X) / 2
	if a, b, c := level(middle), level(middle+box.Dx()/4), level(box.Max.X-8); !(a < b && b < c) {
		t.Errorf("red levels %d, %d, %d from the middle outwards, want them to rise with falling density", a, b, c)
	}
}

func TestPanelsAreAligned(t *testing.T) {
	narrow := Scatter("unit", corners).Limits(Square(2))
	wide := Scatter("wide\ntwo lines", scaled(corners, 1e4)).Limits(Square(2e4)) // long tick labels, higher title
	wide.Y.Label.Text = ""
	img := picture(t, Row(narrow, wide, nil), 9, 3.5)
	third := img.Bounds().Dx() / 3
	_, a := find(img, image.Rect(0, 0, third, img.Bounds().Dy()), blue)
	_, b := find(img, image.Rect(third, 0, 2*third, img.Bounds().Dy()), blue)
	if d := b.Sub(image.Pt(third, 0)); math.Abs(float64(a.Dx()-b.Dx())) > 1 || math.Abs(float64(a.Min.Y-b.Min.Y)) > 1 || math.Abs(float64(a.Min.X-d.Min.X)) > 6 {
		t.Errorf("equal crosses lie at %v and %v of their panels", a, d)
	}
	if n, _ := find(img, image.Rect(2*third+10, 0, img.Bounds().Dx(), img.Bounds().Dy()), inked); n > 0 {
		t.Errorf("%d pixels of the empty panel are painted", n)
	}
}

func scaled(x *mat.Dense, f float64) *mat.Dense {
	var y mat.Dense
	y.Scale(f, x)
	return &y
}

func TestFiguresAreDrawn(t *testing.T) {
	x := []float64{1, 10, 100}
	gauss := func(v float64) float64 { return math.Exp(-v*v/2) / math.Sqrt(2*math.Pi) }
	samples := mat.Col(nil, 0, cloud(2000))
	for name, figure := range map[string]struct {
		Drawer
		lo, hi float64
	}{
		"lines": {Lines("orders", "N", "error", Series{Name: "a", X: x, Y: x, Low: x, High: []float64{2, 20, 200}, Markers: true},
			Series{Name: "b", X: x, Y: []float64{3, 2, 1}, Dashed: true}).LogX().LogY().HLine(5, "bound").VLine(20, ""), 0.02, 0.3},
		"constant":  {Lines("flat", "x", "y", Series{X: x, Y: []float64{2, 2, 2}}), 0.01, 0.2},
		"histogram": {Histogram("samples", "x", samples, gauss), 0.15, 0.6},
		"classes":   {ScatterClasses("classes", corners, []int{0, 1, 2, 0}, "a", "b", "c", "none").Marks("centres", corners), 0.01, 0.2},
		"point":     {Scatter("one point", mat.NewDense(1, 2, nil)), 0.01, 0.2},
		"heat":      {Heat("sweep", "snr", "N", []string{"0.1", "0.2"}, []string{"10"}, mat.NewDense(1, 2, []float64{1, math.NaN()})), 0.4, 0.95},
		"grid":      {Grid(2, 1, Row(Scatter("a", corners), Scatter("b", corners)), Scatter("c", corners)), 0.01, 0.3},
	} {
		wantShare(t, name, picture(t, figure.Drawer, 5, 3.5), figure.lo, figure.hi)
	}
}

// The outermost contour of exp(-r^2/2) is the circle exp(-r^2/2) = 0.05, r = 2.4477, as wide as high.
func TestQuiver(t *testing.T) {
	l := Square(3)
	mesh := l.Mesh(61)
	density := make([]float64, 61*61)
	for i := range density {
		density[i] = math.Exp(-(math.Pow(mesh.At(i, 0), 2) + math.Pow(mesh.At(i, 1), 2)) / 2)
	}
	img := picture(t, Quiver("score", l, scaled(l.Mesh(12), -1), density).Points("", scaled(corners, 2.9)), 4, 4)
	wantShare(t, "quiver", img, 0.05, 0.4)
	_, ring := find(img, img.Bounds(), orange)
	_, cross := find(img, img.Bounds(), blue)
	ratio := float64(ring.Dx()) / float64(cross.Dx())
	if math.Abs(float64(ring.Dx()-ring.Dy())) > 3 || math.Abs(ratio-2.4477/2.9) > 0.02 {
		t.Errorf("contour is %v pixels beside a cross of %v, want a circle at a ratio of %.3f", ring.Size(), cross.Size(), 2.4477/2.9)
	}
	a := newArrows(l, [][2]float64{{0, 0}, {3, 4}, {0, -1.25}, {5, 0}}, 2)
	if a.share[0] != 0 || a.share[1] != 1 || a.share[2] != 0.5 || a.direction[1] != [2]float64{0.6, 0.8} || a.direction[2] != [2]float64{0, -1} {
		t.Errorf("arrows %+v, want square roots of the norms over the longest", a)
	}
}

func TestMesh(t *testing.T) {
	m := Limits{0, 2, 10, 30}.Mesh(3)
	want := mat.NewDense(9, 2, []float64{0, 10, 1, 10, 2, 10, 0, 20, 1, 20, 2, 20, 0, 30, 1, 30, 2, 30})
	if !mat.Equal(m, want) {
		t.Errorf("mesh %v, want x to run fastest", mat.Formatted(m))
	}
}

func TestBarsHaveUnitArea(t *testing.T) {
	for _, samples := range [][]float64{mat.Col(nil, 0, cloud(5000)), {1, 1, 1}, {0, 1}} {
		b := newBars(samples)
		var area float64
		for _, h := range b.height {
			area += h * b.width
		}
		if math.Abs(area-1) > 1e-12 || len(b.height) < 10 || len(b.height) > 150 {
			t.Errorf("%d samples: area %v in %d bins", len(samples), area, len(b.height))
		}
	}
}

func TestTicks(t *testing.T) {
	linear := func(lo, hi float64) (s []string) {
		for _, t := range (linearTicks{}).Ticks(lo, hi) {
			s = append(s, t.Label)
		}
		return s
	}
	logarithmic := func(lo, hi float64) (s []string) {
		for _, t := range (logTicks{}).Ticks(lo, hi) {
			if t.Label != "" && t.Value >= lo*0.999 && t.Value <= hi*1.001 {
				s = append(s, t.Label)
			}
		}
		return s
	}
	for _, c := range []struct {
		ticks  func(lo, hi float64) []string
		lo, hi float64
		want   []string
	}{
		{linear, -2, 2, []string{"−2", "−1", "0", "1", "2"}},
		{linear, 0, 1, []string{"0", "0.2", "0.4", "0.6", "0.8", "1.0"}},
		{linear, 0.0011, 0.0052, []string{"0.002", "0.003", "0.004", "0.005"}},
		{logarithmic, 1e-4, 100, []string{"1e−4", "0.001", "0.01", "0.1", "1", "10", "100"}},
		{logarithmic, 10, 60, []string{"10", "20", "50"}},
		{logarithmic, 1, 1e12, []string{"1", "100", "10000", "1e6", "1e8", "1e10", "1e12"}},
	} {
		got := c.ticks(c.lo, c.hi)
		if !slices.Equal(got, c.want) {
			t.Errorf("ticks of [%v, %v]: %q, want %q", c.lo, c.hi, got, c.want)
		}
	}
}

func TestFigureMistakes(t *testing.T) {
	nan := mat.NewDense(2, 2, []float64{1, 2, math.NaN(), 4})
	x, good := []float64{1, 2}, []float64{3, 4}
	for part, figure := range map[string]Drawer{
		"row 1 is [NaN 4]":                         Scatter("", nan),
		"want [n, 2]":                              Scatter("", mat.NewDense(2, 3, nil)),
		"3 labels for 4 points":                    ScatterClasses("", corners, []int{0, 0, 0}, "a"),
		"label 1 in row 3":                         ScatterClasses("", corners, []int{0, 0, 0, 1}, "a"),
		`series "s" is not finite at point 1`:      Lines("", "", "", Series{Name: "s", X: x, Y: []float64{1, math.Inf(1)}}),
		"2 x, 1 y":                                 Lines("", "", "", Series{X: x, Y: []float64{1}}),
		"no series":                                Lines("", "", ""),
		"y = 0 on a logarithmic axis":              Lines("", "", "", Series{X: x, Y: []float64{0, 1}}).LogY(),
		"x = -1 on a logarithmic axis":             Lines("", "", "", Series{X: x, Y: good}).Limits(Square(1)).LogX(),
		"min < max":                                Scatter("", corners).Limits(Limits{1, 1, 0, 1}),
		"has NaN in row 1":                         Histogram("", "", []float64{1, math.NaN()}, nil),
		"histogram \"\" of 1 samples":              Histogram("", "", []float64{1}, nil),
		"5 vectors":                                Row(nil, Quiver("", Square(1), mat.NewDense(5, 2, nil), nil)),
		"density of \"\" has 5 values":             Quiver("", Square(1), corners, make([]float64, 5)),
		"values [1, 2] for 2 row and 1 column":     Heat("", "", "", []string{"a"}, []string{"b", "c"}, mat.NewDense(1, 2, nil)),
		"3 panels in a grid of 1 x 2":              Grid(1, 2, nil, nil, nil),
		`line "bound" at NaN, want a finite value`: Scatter("", corners).HLine(math.NaN(), "bound"),
	} {
		_, err := render(figure, 4, 3)
		wantError(t, err, part)
	}
	_, err := render(nil, 4, 3)
	wantError(t, err, "figure is nil")
	_, err = render(Scatter("", corners), 0, 3)
	wantError(t, err, "size 0 x 3 inches")
}

func TestShowSavesTheFigure(t *testing.T) {
	nb := testNotebook(t)
	p := Scatter("twice", corners)
	nb.Show("a", p, 3, 3)
	nb.Show("b", Row(p), 3, 3) // showing a plot leaves it as it was
	a, errA := os.ReadFile(filepath.Join(nb.Dir(), "a.png"))
	b, errB := os.ReadFile(filepath.Join(nb.Dir(), "b.png"))
	if errA != nil || errB != nil || !bytes.Equal(a, b) {
		t.Errorf("two showings of one plot differ (%v, %v)", errA, errB)
	}
	_, err := nb.save("no/path", p, 3, 3)
	wantError(t, err, "figure name")
	defer func() {
		if recover() == nil {
			t.Error("Show of a mistake does not panic")
		}
	}()
	nb.Show("c", Scatter("", &mat.Dense{}), 3, 3)
}

// TestLogAxisLeavesNoGap: a long label beside a logarithmic axis does not push the data down.
func TestLogAxisLeavesNoGap(t *testing.T) {
	curve := Series{X: []float64{1, 10}, Y: []float64{0.01, 1}}
	_, short := find(picture(t, Lines("", "n", "e", curve).LogY(), 5, 3), image.Rect(0, 0, 650, 390), blue)
	_, long := find(picture(t, Lines("", "n", "a label of some length, in units", curve).LogY(), 5, 3), image.Rect(0, 0, 650, 390), blue)
	if d := long.Min.Y - short.Min.Y; d < -2 || d > 2 {
		t.Errorf("the curve begins %d pixels lower with a long label", d)
	}
}
