package fig

import (
	"bytes"
	"image"
	"image/gif"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// TestProject: the named views of the axes, and lengths that a turn keeps.
func TestProject(t *testing.T) {
	for _, c := range []struct {
		v     View
		x     [3]float64
		right float64
		up    float64
		near  float64
	}{
		{View{}, [3]float64{1, 2, 3}, 2, 3, 1},        // from the first axis
		{View{90, 0}, [3]float64{1, 2, 3}, -1, 3, 2},  // from the second
		{View{-90, 90}, [3]float64{1, 2, 3}, 1, 2, 3}, // from above, the first axis to the right
		{View{0, 45}, [3]float64{0, 0, 1}, 0, math.Sqrt2 / 2, math.Sqrt2 / 2},
	} {
		right, up, near := c.v.project(c.x)
		if math.Abs(right-c.right) > 1e-12 || math.Abs(up-c.up) > 1e-12 || math.Abs(near-c.near) > 1e-12 {
			t.Errorf("%+v of %v is %v right, %v up, %v near", c.v, c.x, right, up, near)
		}
	}
}

// TestScatter3D: of two points in one place of the picture the near one is seen, and it is dark.
func TestScatter3D(t *testing.T) {
	x := mat.NewDense(2, 3, []float64{-1, 0, 0, 1, 0, 0})
	dark := func(r, g, b int) bool { return r < 40 && g < 110 && b > 110 && b < 160 }
	img := picture(t, Scatter3D("", x, View{}), 4, 4)
	if n, _ := find(img, img.Bounds(), dark); n < 10 {
		t.Errorf("%d pixels of the near point are seen", n)
	}
	pale := func(r, g, b int) bool { return r > 100 && r < 215 && g > 150 && b > 185 && b-r > 25 }
	if n, _ := find(img, img.Bounds(), pale); n > 10 {
		t.Errorf("%d pixels of the far point are seen through the near one", n)
	}
	for name, bad := range map[string]*Plot{
		"nil": Scatter3D("", nil, View{}), "plane": Scatter3D("", mat.NewDense(1, 2, nil), View{}),
		"NaN": Scatter3D("", mat.NewDense(1, 3, []float64{0, math.NaN(), 0}), View{}), "view": Scatter3D("", x, View{math.Inf(1), 0}),
	} {
		if bad.Err() == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

// TestTurning: a full turn of frames of one size, which differ, in a file that is saved.
func TestTurning(t *testing.T) {
	nb := testNotebook(t)
	rng := rand.New(rand.NewPCG(1, 0))
	x := mat.NewDense(500, 3, nil)
	x.Apply(func(_, j int, _ float64) float64 { return rng.NormFloat64() * float64(j+1) }, x)
	data, err := nb.turning("turn", "turning", x, 30, 2)
	if err != nil {
		t.Fatal(err)
	}
	movie, err := gif.DecodeAll(bytes.NewReader(data))
	if err != nil {
		t.Fatal(err)
	}
	if len(movie.Image) != turnFrames || bytes.Equal(movie.Image[0].Pix, movie.Image[7].Pix) {
		t.Errorf("%d frames, want %d that differ", len(movie.Image), turnFrames)
	}
	if got := movie.Image[0].Bounds().Size(); got != (image.Point{X: 2 * dpi, Y: 2 * dpi}) {
		t.Errorf("frames are %v", got)
	}
	saved, err := os.ReadFile(filepath.Join(nb.dir, "turn.gif"))
	if err != nil || !bytes.Equal(saved, data) {
		t.Errorf("the saved film differs: %v", err)
	}
	if _, err := nb.turning("../turn", "", x, 0, 2); err == nil {
		t.Error("a name outside the folder was accepted")
	}
	if _, err := nb.turning("turn", "", nil, 0, 2); err == nil {
		t.Error("no points were accepted")
	}
}

// TestFlowField: arrows follow the slope in the picture, forwards or backwards, and mistakes are named.
func TestFlowField(t *testing.T) {
	l := Limits{XMin: 0, XMax: 1, YMin: -10, YMax: 10}
	slopes := make([]float64, 81)
	for i := range slopes {
		slopes[i] = 20 // the diagonal of the picture
	}
	forward := picture(t, FlowField("", "t", "x", l, slopes, false), 4, 4)
	backward := picture(t, FlowField("", "t", "x", l, slopes, true), 4, 4)
	inked := func(r, g, b int) bool { return r < 90 && g < 90 && b < 90 }
	n, _ := find(forward, forward.Bounds(), inked)
	m, _ := find(backward, backward.Bounds(), inked)
	if n < 200 || m < 200 || bytes.Equal(pixels(forward), pixels(backward)) {
		t.Errorf("%d and %d inked pixels, want arrows that differ in direction", n, m)
	}
	for name, bad := range map[string]*Plot{
		"count": FlowField("", "", "", l, slopes[:80], false), "NaN": FlowField("", "", "", l, []float64{0, 0, 0, math.NaN()}, false),
		"limits": FlowField("", "", "", Limits{}, slopes, false), "names": Scatter("", mat.NewDense(1, 2, nil)).ColumnNames("a"),
	} {
		if bad.Err() == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}

func pixels(img image.Image) []byte {
	var out []byte
	for y := range img.Bounds().Dy() {
		for x := range img.Bounds().Dx() {
			r, g, b, _ := img.At(x, y).RGBA()
			out = append(out, byte(r>>8), byte(g>>8), byte(b>>8))
		}
	}
	return out
}

// TestViewShows: from above the third axis is a point and gets no name, from the first axis the first.
func TestViewShows(t *testing.T) {
	for _, c := range []struct {
		view View
		want [3]bool
	}{
		{View{30, 90}, [3]bool{true, true, false}},
		{View{0, 0}, [3]bool{false, true, true}},
		{View{30, 35}, [3]bool{true, true, true}},
	} {
		for k, want := range c.want {
			if got := c.view.shows(k); got != want {
				t.Errorf("%v shows axis %d: got %t, want %t", c.view, k+1, got, want)
			}
		}
	}
}
