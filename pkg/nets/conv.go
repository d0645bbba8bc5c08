package nets

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
)

// Conv convolves x [B, H, W, C] with kernel [h, w, C, O], h and w odd, with zeros around x, to [B, H, W, O]:
//
//	y(b, i, j, o) = sum over k, l, c of x(b, i+k-h/2, j+l-w/2, c) kernel(k, l, c, o).
//
// The values are those of GoMLX's Convolve with PadSame, and so are the gradients, but as convolutions in the one layout
// for which XLA has a fast kernel on a CPU: GoMLX asks for others, which XLA rewrites in an executable's main part only,
// so that its gradients are about 50 times slower inside a loop on the device. Derivatives of any order exist. It panics
// on other shapes.
func Conv(x, kernel *Node) *Node {
	if x.Rank() != 4 || kernel.Rank() != 4 || x.Shape().Dim(3) != kernel.Shape().Dim(2) {
		panic(fmt.Errorf("nets: Conv got x %s and kernel %s, want [B, H, W, C] and [h, w, C, O]", x.Shape(), kernel.Shape()))
	}
	h, w := kernel.Shape().Dim(0), kernel.Shape().Dim(1)
	if h%2 == 0 || w%2 == 0 {
		panic(fmt.Errorf("nets: Conv got a kernel of %d x %d, want odd sides", h, w))
	}
	return convolve(x, kernel, [][2]int{{h / 2, h / 2}, {w / 2, w / 2}})
}

// convolve adds pad zeros before and after each side of x and has gradients of its own. GoMLX lets only identities have
// them. Gradients are built from the result backwards: the identity behind the convolution comes first and notes dy, the
// gradient of the result; the two before it answer from dy, whatever GoMLX made of it in between, which nothing uses then.
func convolve(x, kernel *Node, pad [][2]int) *Node {
	var dy *Node
	y := Convolve(
		IdentityWithCustomGradient(x, func(_, _ *Node) *Node { return gradientOfX(kernel, dy, pad) }),
		IdentityWithCustomGradient(kernel, func(_, _ *Node) *Node { return gradientOfKernel(x, dy, pad) }),
	).PaddingPerDim(pad).Done()
	return IdentityWithCustomGradient(y, func(_, v *Node) *Node {
		dy = v
		return v
	})
}

// gradientOfX convolves dy with the kernel turned by half a turn, its channels exchanged.
func gradientOfX(kernel, dy *Node, pad [][2]int) *Node {
	rest := make([][2]int, len(pad))
	for i, p := range pad {
		side := kernel.Shape().Dim(i)
		rest[i] = [2]int{side - 1 - p[0], side - 1 - p[1]}
	}
	return convolve(dy, TransposeAllAxes(Reverse(kernel, 0, 1), 0, 1, 3, 2), rest)
}

// gradientOfKernel convolves x with dy: the channels of x are a batch, and the batch is what is summed over.
func gradientOfKernel(x, dy *Node, pad [][2]int) *Node {
	d := convolve(TransposeAllAxes(x, 3, 1, 2, 0), TransposeAllAxes(dy, 1, 2, 0, 3), pad)
	return TransposeAllAxes(d, 1, 2, 0, 3)
}
