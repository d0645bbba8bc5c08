package sampler

import (
	. "github.com/gomlx/gomlx/core/graph"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"

	"github.com/scoresde/scoresde/pkg/sde"
)

// interval runs from the present time of each sample down to end, where the clock is v: noise is the Brownian increment
// over it.
type interval struct {
	end, v *Node // [N]
	noise  *Node // [N, Shape...]
}

// future is what has been revealed of the Brownian motion ahead of each sample: a stack of intervals that follow one
// another, the nearest on top. Below the last one nothing is known.
type future struct {
	ends, v *Node // [N, futureDepth]
	noise   *Node // [N, futureDepth, Shape...]
	known   *Node // number of intervals, int32 [N]
}

// futureDepth bounds the stack. Each rejection cuts a step at least in two and adds an interval, so that the shortest step
// possible is at most 2^-11 of one tried before, usually a far smaller part.
const futureDepth = 12

// slots marks position k [N] of each stack, [N, futureDepth].
func (f future) slots(k *Node) *Node {
	n := k.Shape().Dim(0)
	positions := Iota(k.Graph(), shapes.Make(dtypes.Int32, n, futureDepth), 1)
	return Equal(positions, BroadcastToDims(Reshape(k, n, 1), n, futureDepth))
}

// top is the nearest known interval, of zeros where none is.
func (f future) top() interval {
	mask := f.slots(AddScalar(f.known, -1))
	read := func(values *Node) *Node { return ReduceSum(Where(mask, values, ZerosLike(values)), 1) }
	return interval{read(f.ends), read(f.v), read(f.noise)}
}

// mostOfStep is the share of an interval for which a wanted step is taken to be all of it.
const mostOfStep = 0.95

// propose chooses the interval to try from time t and clock v [N] where the step wanted is h, and remembers its noise
// where trying [N]. It is the top of the stack, or everything down to bottom where the stack is empty, and if that is
// longer than wanted the first part of it: of size h, or half. Noise of unknown time is drawn, that of a part of a known
// interval is the Brownian bridge in v from 0 to its increment; z ~ N(0, I) is used up by the one or the other.
func (f future) propose(p *Problem, t, v, h, z *Node, bottom interval, trying *Node) (future, interval) {
	blank, top := Equal(f.known, ZerosLike(f.known)), f.top()
	end, vEnd := Where(blank, bottom.end, top.end), Where(blank, bottom.v, top.v)
	size := Sub(t, end)
	cut := LessThan(h, MulScalar(size, mostOfStep))
	middle := Sub(t, Min(h, MulScalar(size, 0.5)))
	vMiddle := Min(Max(p.clock(middle), vEnd), v) // a cut stays inside, however it is rounded
	try := interval{end: Where(cut, middle, end), v: Where(cut, vMiddle, vEnd)}

	part, rest, whole := Sub(v, try.v), Sub(try.v, vEnd), Sub(v, vEnd)
	share := Where(GreaterThan(whole, ZerosLike(whole)), Div(rest, whole), ZerosLike(whole)) // of what comes after the cut
	spread := Sqrt(Mul(part, Where(blank, OnesLike(share), share)))
	mean := sde.Times(OneMinus(share), top.noise)
	try.noise = Add(mean, sde.Times(spread, z)) // top.noise is 0 where blank

	wide := func(n *Node) *Node { return BroadcastToShape(InsertAxes(n, 1), f.noise.Shape()) }
	at := func(k, when *Node) *Node {
		mask := f.slots(k)
		return And(mask, BroadcastToShape(InsertAxes(when, 1), mask.Shape()))
	}
	split := at(AddScalar(f.known, -1), And(trying, cut)) // nothing where blank
	added := And(trying, Or(blank, cut))
	place := at(f.known, added)
	flat := func(n *Node) *Node { return BroadcastToShape(InsertAxes(n, 1), place.Shape()) }
	return future{
		ends:  Where(place, flat(try.end), f.ends),
		v:     Where(place, flat(try.v), f.v),
		noise: Where(place, wide(try.noise), Where(split, Sub(f.noise, wide(try.noise)), f.noise)),
		known: Add(f.known, ConvertDType(added, dtypes.Int32)),
	}, try
}

// clock is v(t) = (Sigma/Alpha)^2, in which x/Alpha is a Brownian motion.
func (p *Problem) clock(t *Node) *Node { return Square(Div(p.SDE.Sigma(t), p.SDE.Alpha(t))) }
