package loop

import (
	"regexp"

	. "github.com/gomlx/gomlx/core/graph"
)

// fastLayout is the text of a convolution that XLA runs on its fast kernel of a CPU inside a loop too: batch and channels at
// the ends of x and y, input and output channels at the end of the kernel, no dilation and no groups. GoMLX has no other
// way to tell.
var fastLayout = regexp.MustCompile(`axes=\{InputBatch:0 InputChannels:3 InputSpatial:\[1 2\] ` +
	`KernelInputChannels:2 KernelOutputChannels:3 KernelSpatial:\[0 1\] OutputBatch:0 OutputChannels:3 OutputSpatial:\[1 2\]\}.* ` +
	`inputDilations=\[(?:1 1)?\], kernelDilations=\[(?:1 1)?\], channelGroupCount=[01], batchGroupCount=[01]\)`)

// slowInLoops tells whether a graph holds a convolution that takes about 50 times as long inside a loop as outside on XLA's
// CPU backend: the gradients of GoMLX's own convolutions are such.
func slowInLoops(g *Graph) bool {
	for _, n := range g.Nodes() {
		if n.Type() == NodeTypeConvGeneral && !fastLayout.MatchString(n.String()) {
			return true
		}
	}
	return false
}
