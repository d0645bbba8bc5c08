package fig

import (
	"bytes"
	"fmt"

	"gonum.org/v1/plot/vg"
	"gonum.org/v1/plot/vg/draw"
	"gonum.org/v1/plot/vg/vgimg"
)

// dpi of every figure: 6.5 inches, the width of a notebook's column, are 845 pixels.
const dpi = 130

// border keeps labels off the edge of the image.
const border = vg.Length(5)

// Show saves a figure of width x height inches as <name>.png in the notebook's folder and displays it. It panics when
// the figure holds a mistake or the file cannot be written.
func (nb *Notebook) Show(name string, figure Drawer, width, height float64) {
	showPNG(must(nb.save(name, figure, width, height)))
}

func (nb *Notebook) save(name string, figure Drawer, width, height float64) ([]byte, error) {
	if err := checkName("figure", name); err != nil {
		return nil, err
	}
	png, err := render(figure, width, height)
	if err != nil {
		return nil, fmt.Errorf("fig: figure %q: %w", name, err)
	}
	return png, nb.write(name+".png", png)
}

// render draws a figure as PNG.
func render(figure Drawer, width, height float64) ([]byte, error) {
	canvas, err := paint(figure, width, height)
	if err != nil {
		return nil, err
	}
	var buf bytes.Buffer
	if _, err := (vgimg.PngCanvas{Canvas: canvas}).WriteTo(&buf); err != nil {
		return nil, err
	}
	return buf.Bytes(), nil
}

// paint draws a figure.
func paint(figure Drawer, width, height float64) (canvas *vgimg.Canvas, err error) {
	if !(width >= 1 && width <= 40 && height >= 1 && height <= 40) {
		return nil, fmt.Errorf("size %v x %v inches, want 1 to 40", width, height)
	}
	if figure == nil {
		return nil, fmt.Errorf("figure is nil")
	}
	if err := prepare(figure); err != nil {
		return nil, err
	}
	defer func() { // gonum/plot panics on what it cannot draw, such as a scale of zero width
		if r := recover(); r != nil {
			err = fmt.Errorf("cannot be drawn: %v", r)
		}
	}()
	canvas = vgimg.NewWith(vgimg.UseWH(vg.Length(width)*vg.Inch, vg.Length(height)*vg.Inch), vgimg.UseDPI(dpi))
	figure.Draw(draw.Crop(draw.New(canvas), border, -border, border, -border))
	return canvas, nil
}
