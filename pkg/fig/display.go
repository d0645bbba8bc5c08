package fig

import (
	"fmt"

	"github.com/janpfeifer/gonb/gonbui"
)

// showPNG displays an image in the notebook; nothing outside one. Sync keeps its place among printed lines.
func showPNG(png []byte) {
	if gonbui.IsNotebook {
		gonbui.DisplayPng(png)
		gonbui.Sync()
	}
}

// showMarkdown displays text in the notebook and prints it outside one.
func showMarkdown(md string) {
	if !gonbui.IsNotebook {
		fmt.Print(md)
		return
	}
	gonbui.DisplayMarkdown(md)
	gonbui.Sync()
}
