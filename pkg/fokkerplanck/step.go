package fokkerplanck

import (
	"fmt"
	"math"
	"slices"
)

// advance moves masses from one time to another. damped asks for two half steps of backward Euler.
func (p Problem) advance(mass []float64, from, to float64, damped bool) error {
	switch {
	case p.Scheme == BackwardEuler:
		return p.implicit(mass, from, to, to, to-from)
	case damped:
		middle := (from + to) / 2
		if err := p.implicit(mass, from, middle, middle, middle-from); err != nil {
			return err
		}
		return p.implicit(mass, middle, to, to, to-middle)
	}
	// The implicit midpoint rule is half a step of backward Euler with the rates of the middle, gone on for as long again.
	before := slices.Clone(mass)
	if err := p.implicit(mass, from, to, (from+to)/2, (to-from)/2); err != nil {
		return err
	}
	for i := range mass {
		mass[i] = 2*mass[i] - before[i]
	}
	return nil
}

// grid are the cells of a step, at its middle.
type grid struct {
	edges    []float64 // [cells+1]
	velocity []float64 // of the edges
	size     float64   // of a cell
}

// grid returns the cells halfway between two times, which move in straight lines between their places at both.
func (p Problem) grid(from, to float64) (grid, error) {
	lo0, hi0 := p.Domain(from)
	lo1, hi1 := p.Domain(to)
	for _, d := range [][3]float64{{from, lo0, hi0}, {to, lo1, hi1}} {
		if !(d[1] < d[2]) || math.IsInf(d[1], 0) || math.IsInf(d[2], 0) {
			return grid{}, fmt.Errorf("fokkerplanck: the domain at t = %g is [%g, %g], want finite lo < hi", d[0], d[1], d[2])
		}
	}
	g := grid{make([]float64, p.Cells+1), make([]float64, p.Cells+1), (hi0 - lo0 + hi1 - lo1) / 2 / float64(p.Cells)}
	for i := range g.edges {
		share := float64(i) / float64(p.Cells)
		before, after := lo0+(hi0-lo0)*share, lo1+(hi1-lo1)*share
		g.edges[i] = (before + after) / 2
		if to > from {
			g.velocity[i] = (after - before) / (to - from)
		}
	}
	return g, nil
}

// initial returns the masses of the cells.
func (p Problem) initial(edges []float64) ([]float64, error) {
	mass := make([]float64, p.Cells)
	below := 0.0
	for i := range mass {
		upTo := 1.0
		if i < p.Cells-1 {
			upTo = p.CDF(edges[i+1])
		}
		const rounding = 1e-12
		if !(upTo >= below-rounding && upTo <= 1+rounding) {
			return nil, fmt.Errorf("fokkerplanck: CDF(%g) = %g after %g, want values that increase from 0 to 1", edges[i+1], upTo, below)
		}
		upTo = min(max(upTo, below), 1)
		mass[i], below = upTo-below, upTo
	}
	return mass, nil
}

// implicit solves (I - dt A) m' = m with the rates A of the process at time t between the cells of the step from..to.
func (p Problem) implicit(mass []float64, from, to, t, dt float64) error {
	g, err := p.grid(from, to)
	if err != nil {
		return err
	}
	drift, diffusion, err := p.Process.at(t, g.edges)
	if err != nil {
		return err
	}
	right, left := make([]float64, len(mass)), make([]float64, len(mass)) // chances to leave cell i, over dt
	for i := 1; i < len(mass); i++ {
		forth, back := rates(drift[i]-g.velocity[i], diffusion*diffusion/2, g.size)
		right[i-1], left[i] = dt*forth, dt*back
	}
	redistribute(mass, right, left)
	return nil
}

// rates are those at which mass crosses the edge between two cells of a size: with the Peclet number z = v size/d, they
// are d/size^2 B(-z) forth and d/size^2 B(z) back, B(z) = z/(e^z - 1).
func rates(v, d, size float64) (forth, back float64) {
	if math.Abs(v)*size >= 500*d { // only with the drift, and not at all where both are 0
		return max(v, 0) / size, max(-v, 0) / size
	}
	z, unit := v*size/d, d/(size*size)
	if z == 0 {
		return unit, unit
	}
	return unit * z / -math.Expm1(-z), unit * z / math.Expm1(z)
}

// redistribute replaces m by the solution m' of m'_i (1 + right_i + left_i) - right_{i-1} m'_{i-1} - left_{i+1} m'_{i+1} = m_i,
// where right and left of the last and first cell are 0. The columns of this matrix sum to 1, so that in Gaussian
// elimination from the left every pivot is 1 plus what leaks on: there is no subtraction in it, masses keep their relative
// precision, however small, and their sum is that of m (Grassmann, Taksar and Heyman, Oper. Res. 33, 1985).
func redistribute(m, right, left []float64) {
	n := len(m)
	pivot := make([]float64, n)
	stay := 1.0 // the pivot without right
	for i := range n {
		if i > 0 {
			m[i] += right[i-1] / pivot[i-1] * m[i-1]
			stay = 1 + left[i]*stay/pivot[i-1]
		}
		pivot[i] = stay + right[i]
	}
	m[n-1] /= pivot[n-1]
	for i := n - 2; i >= 0; i-- {
		m[i] = (m[i] + left[i+1]*m[i+1]) / pivot[i]
	}
}
