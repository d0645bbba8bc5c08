package fig

import (
	"bytes"
	"encoding/base64"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/gif"

	"github.com/janpfeifer/gonb/gonbui"
	"gonum.org/v1/gonum/mat"
)

// turnFrames is the number of views of a full turn, at 12 frames a second.
const turnFrames = 48

// ShowTurning saves the points x [n, 3] as <name>.gif in the notebook's folder, turning once about the third axis as seen
// from an elevation in degrees, size inches wide and high, and displays it. It panics as Show does.
func (nb *Notebook) ShowTurning(name, title string, x mat.Matrix, elevation, size float64) {
	data := must(nb.turning(name, title, x, elevation, size))
	if gonbui.IsNotebook {
		gonbui.DisplayHTML(fmt.Sprintf(`<img alt="%s" src="data:image/gif;base64,%s"/>`, name, base64.StdEncoding.EncodeToString(data)))
		gonbui.Sync()
	}
}

func (nb *Notebook) turning(name, title string, x mat.Matrix, elevation, size float64) ([]byte, error) {
	if err := checkName("figure", name); err != nil {
		return nil, err
	}
	movie := gif.GIF{LoopCount: 0}
	for k := range turnFrames {
		canvas, err := paint(Scatter3D(title, x, View{Azimuth: 360 * float64(k) / turnFrames, Elevation: elevation}), size, size)
		if err != nil {
			return nil, fmt.Errorf("fig: figure %q: %w", name, err)
		}
		img := canvas.Image()
		paletted := image.NewPaletted(img.Bounds(), turnPalette)
		draw.Draw(paletted, img.Bounds(), img, img.Bounds().Min, draw.Src)
		movie.Image, movie.Delay = append(movie.Image, paletted), append(movie.Delay, 8)
	}
	var buf bytes.Buffer
	if err := gif.EncodeAll(&buf, &movie); err != nil {
		return nil, fmt.Errorf("fig: figure %q: %w", name, err)
	}
	return buf.Bytes(), nb.write(name+".gif", buf.Bytes())
}

// turnPalette holds the colours of points by depth and those of text: few colours make a small file.
var turnPalette = func() color.Palette {
	p := color.Palette{color.White, ink, faint, light}
	for k := range 12 {
		p = append(p, byDepth(float64(k)/11))
	}
	return p
}()
