package sde

import (
	"fmt"

	. "github.com/gomlx/gomlx/core/graph"
)

// formulas are the graph functions of a process, written once for numbers that are constants or nodes.
type formulas interface {
	Alpha(t *Node) *Node
	Sigma(t *Node) *Node
	Drift(t *Node) *Node
	Diffusion(t *Node) *Node
}

// number is what stands in a formula for a parameter: a constant, or a node that has one value per example.
type number struct {
	value float64
	node  func(t *Node) *Node // nil: value
}

func (n number) of(x *Node) *Node {
	if n.node == nil {
		return ConstAs(x, n.value)
	}
	return n.node(x)
}

// scale is x times the number times factor, a power of two or its negative, so that both ways round alike.
func (n number) scale(x *Node, factor float64) *Node {
	if n.node == nil {
		return scaled(x, factor*n.value)
	}
	by := n.node(x)
	if factor != 1 {
		by = scaled(by, factor)
	}
	return Mul(x, by)
}

func (n number) times(x *Node) *Node { return n.scale(x, 1) }

func (n number) plus(x *Node) *Node { return Add(x, n.of(x)) }

// like is the number times factor, which does not depend on t, in the shape of t or of the number.
func (n number) like(t *Node, factor float64) *Node {
	if n.node == nil {
		return constantLike(t, factor*n.value)
	}
	return Add(scaled(t, 0), scaled(n.node(t), factor))
}

// parametric is a process whose formulas hold its parameters as numbers.
type parametric interface {
	SDE
	form() string       // what the formulas are, without the numbers
	numbers() []float64 // in the order in which with takes them
	with(n []number) formulas
}

// fixed are the formulas of p with its own numbers.
func fixed(p parametric) formulas {
	values := p.numbers()
	n := make([]number, len(values))
	for k, v := range values {
		n[k].value = v
	}
	return p.with(n)
}

// Numbers returns what tells s from other processes with the same formulas: a name of these, and the numbers in them,
// derived from the parameters in float64, followed by Eps, T - Eps and PriorStd. Processes of one form have as many
// numbers. ok is false where the formulas of s hold more than a few numbers, or are not known here.
func Numbers(s SDE) (form string, numbers []float64, ok bool) {
	p, ok := s.(parametric)
	if !ok {
		return "", nil, false
	}
	span := s.Span()
	return p.form(), append(p.numbers(), span.Eps, span.T-span.Eps, s.PriorStd()), true
}

// Numbered is a process whose numbers are nodes, so that one graph serves many parameters: those of the members of an
// ensemble, one per row of a batch. Span, PriorStd and String are those of the process that it was made from; Spread and
// Prior are the first two of every row.
type Numbered struct {
	SDE
	own    formulas
	common [3]number // Eps, T - Eps, PriorStd
}

// WithNumbers is s with at(k, t) in place of number k of Numbers(s): a node of the shape of the times t, or one that
// broadcasts against it ([1] against [B], either way). It returns an error where Numbers knows no form of s.
func WithNumbers(s SDE, at func(k int, t *Node) *Node) (*Numbered, error) {
	p, ok := s.(parametric)
	if !ok {
		return nil, fmt.Errorf("sde: %s cannot take its numbers from a graph, want a process that Numbers knows", s)
	}
	own := len(p.numbers())
	n := make([]number, own+len(Numbered{}.common))
	for k := range n {
		n[k].node = func(t *Node) *Node { return at(k, t) }
	}
	return &Numbered{SDE: s, own: p.with(n[:own]), common: [3]number(n[own:])}, nil
}

// Alpha implements SDE.
func (p *Numbered) Alpha(t *Node) *Node { return p.own.Alpha(t) }

// Sigma implements SDE.
func (p *Numbered) Sigma(t *Node) *Node { return p.own.Sigma(t) }

// Drift implements SDE.
func (p *Numbered) Drift(t *Node) *Node { return p.own.Drift(t) }

// Diffusion implements SDE.
func (p *Numbered) Diffusion(t *Node) *Node { return p.own.Diffusion(t) }

// Spread maps u in [0, 1] to the span, u (T - Eps) + Eps, in the shape of u or of the numbers.
func (p *Numbered) Spread(u *Node) *Node { return p.common[0].plus(p.common[1].times(u)) }

// Prior is PriorStd in the shape of the numbers; like gives its float type.
func (p *Numbered) Prior(like *Node) *Node { return p.common[2].of(like) }
