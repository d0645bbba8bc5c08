package sde

import (
	"errors"
	"fmt"
	"math"
	"slices"

	. "github.com/gomlx/gomlx/core/graph"
)

// FromSchedule builds a process in the terms of Karras et al. (2022, arXiv 2206.00364, section 2 and appendix B): of a
// scaling s(t) and a noise level sigma(t), graph functions that act elementwise on times of any shape,
//
//	x_t | x_0 ~ N(s(t) x_0, s(t)^2 sigma(t)^2 I),   f = s'/s,   g = s sqrt(2 sigma' sigma),
//
// so that p_t(x) = s^-d p(x/s; sigma), where p(.; sigma) is the law of the data with noise of that level. Alpha is s and
// Sigma is s sigma; the prior has the standard deviation s(T) sigma(T). The derivatives are automatic, with the
// restrictions that FromKernel states.
//
// Errors, which name the time: on the span s has to be finite and above 0, sigma finite, not below 0 and never falling;
// at T sigma has to be above 0.
func FromSchedule(name string, s, sigma func(t *Node) *Node, span Span) (SDE, error) {
	switch {
	case name == "":
		return nil, errors.New("sde: schedule without a name, want one with all parameters")
	case s == nil || sigma == nil:
		return nil, fmt.Errorf("sde: %s: want functions s and sigma, got nil", name)
	}
	p := &scheduled{name: name, scale: s, noise: sigma, span: span, prior: 1}
	ts, err := spread(span)
	if err != nil {
		return nil, fmt.Errorf("sde: %s: %w", name, err)
	}
	rows, err := Table(p.raw(), ts)
	if err != nil {
		return nil, err
	}
	for i, t := range ts {
		scale, noise := rows.Alpha[i], rows.Sigma[i]
		switch {
		case !(scale > 0) || !finite(scale):
			return nil, fmt.Errorf("sde: %s: s(%g) = %g, want > 0 and finite", name, t, scale)
		case !(noise >= 0) || !finite(noise):
			return nil, fmt.Errorf("sde: %s: sigma(%g) = %g, want >= 0 and finite", name, t, noise)
		case i > 0 && noise < rows.Sigma[i-1]*(1-1e-12): // less is rounding
			return nil, fmt.Errorf("sde: %s: sigma falls from %g at t = %g to %g at t = %g, want a schedule that never falls",
				name, rows.Sigma[i-1], ts[i-1], noise, t)
		}
	}
	last := len(ts) - 1
	if p.prior = rows.Alpha[last] * rows.Sigma[last]; p.prior == 0 {
		return nil, fmt.Errorf("sde: %s: sigma is 0 at T = %g, want noise", name, span.T)
	}
	return p, nil
}

// ScheduleOf returns the noise level sigma = Sigma/Alpha and the scaling s = Alpha of any process at the times ts, in
// float64: the view of Karras et al. that FromSchedule inverts. Errors are those of Table.
func ScheduleOf(s SDE, ts []float64) (sigma, scale []float64, err error) {
	rows, err := Table(s, ts)
	if err != nil {
		return nil, nil, err
	}
	return rows.noise(), rows.Alpha, nil
}

// noise is Sigma/Alpha.
func (v Values) noise() []float64 {
	sigma := make([]float64, len(v.T))
	for i := range sigma {
		sigma[i] = v.Sigma[i] / v.Alpha[i]
	}
	return sigma
}

// scheduled is used by pointer, which makes processes with functions comparable.
type scheduled struct {
	name         string
	scale, noise func(t *Node) *Node
	span         Span
	prior        float64
}

func (p *scheduled) Alpha(t *Node) *Node { return p.scale(t) }
func (p *scheduled) Sigma(t *Node) *Node { return Mul(p.scale(t), p.noise(t)) }

func (p *scheduled) Drift(t *Node) *Node {
	s := p.scale(t)
	return Div(derivative(s, t), s)
}

func (p *scheduled) Diffusion(t *Node) *Node {
	sigma := p.noise(t)
	return Mul(p.scale(t), Sqrt(nonNegative(scaled(Mul(sigma, derivative(sigma, t)), 2))))
}

func (p *scheduled) Span() Span        { return p.span }
func (p *scheduled) PriorStd() float64 { return p.prior }
func (p *scheduled) String() string    { return p.name }
func (p *scheduled) Validate() error   { return p.span.validate(p.name) }

// raw presents s as Alpha and sigma, not s sigma, as Sigma: what is to be checked.
func (p *scheduled) raw() SDE { return unscaled{p} }

type unscaled struct{ *scheduled }

func (p unscaled) Sigma(t *Node) *Node { return p.noise(t) }

// spread returns times over a span, both ends included, at even steps and, for spans of many decades, at even ratios.
func spread(span Span) ([]float64, error) {
	if err := span.validate("times"); err != nil {
		return nil, err
	}
	const n = 1024
	low := math.Max(span.Eps, 1e-9*span.T)
	ts := []float64{span.Eps, span.T}
	for k := range n {
		part := float64(k) / n
		ts = append(ts, span.Eps+(span.T-span.Eps)*part, low*math.Pow(span.T/low, part))
	}
	slices.Sort(ts)
	return slices.Compact(ts), nil
}
