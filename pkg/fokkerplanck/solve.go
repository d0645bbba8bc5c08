package fokkerplanck

import (
	"fmt"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

// Scheme is a way to step in time. Both conserve the mass.
type Scheme int

const (
	// Midpoint is the implicit midpoint rule (Crank-Nicolson), of order 2. The first two steps of a solution are four
	// half steps of BackwardEuler, which damp what jumps in the initial density excite (Rannacher, Numer. Math. 43,
	// 1984). With long steps densities may still become slightly negative.
	Midpoint Scheme = iota
	// BackwardEuler is of order 1 and keeps densities positive for any step.
	BackwardEuler
)

// String returns the name of the scheme.
func (s Scheme) String() string { return [...]string{"midpoint", "backward Euler"}[s] }

// Problem is an initial value problem. Nothing leaves the domain: its ends reflect.
type Problem struct {
	Process Process
	// Domain returns the ends lo < hi of the interval of cells at a time. Cells are equal, and move and grow with it, for
	// laws that widen by orders of magnitude.
	Domain func(t float64) (lo, hi float64)
	// CDF is the distribution function of the initial law, from which the masses of the cells follow without error,
	// whatever its jumps. What lies outside of the domain is put into the cell at that end.
	CDF    func(x float64) float64
	Cells  int       // >= 3
	Times  []float64 // increasing; the first is that of the initial law
	Steps  int       // equal steps between each pair of neighbouring Times, >= 1
	Scheme Scheme
}

// Solution is the law at Times.
type Solution struct {
	Times   []float64
	Edges   *mat.Dense // of the cells, [times, cells+1]
	Density *mat.Dense // mean over each cell, [times, cells]
}

// Fixed is a domain that stays.
func Fixed(lo, hi float64) func(t float64) (float64, float64) {
	return func(float64) (float64, float64) { return lo, hi }
}

// Solve integrates p. The flux between cells is that of Scharfetter and Gummel (IEEE Trans. Electron Devices 16, 1969;
// Chang and Cooper, J. Comput. Phys. 6, 1970, for a constant drift): exact where drift and flux are constant between two
// centres. It is of order 2 in the size of cells and has upwind and centred differences as limits, so that all rates
// between cells are positive. It returns an error for an incomplete or invalid problem, and when the process fails.
func Solve(p Problem) (*Solution, error) {
	if err := p.validate(); err != nil {
		return nil, err
	}
	out := &Solution{slices.Clone(p.Times), mat.NewDense(len(p.Times), p.Cells+1, nil), mat.NewDense(len(p.Times), p.Cells, nil)}
	g, err := p.grid(p.Times[0], p.Times[0])
	if err != nil {
		return nil, err
	}
	mass, err := p.initial(g.edges)
	if err != nil {
		return nil, err
	}
	out.keep(0, g.edges, mass)
	for k, end := range p.Times[1:] {
		start := p.Times[k]
		for i := range p.Steps {
			from := start + (end-start)*float64(i)/float64(p.Steps)
			to := start + (end-start)*float64(i+1)/float64(p.Steps)
			if err := p.advance(mass, from, to, k*p.Steps+i < 2); err != nil {
				return nil, fmt.Errorf("fokkerplanck: step from t = %g to %g: %w", from, to, err)
			}
		}
		if g, err = p.grid(end, end); err != nil {
			return nil, err
		}
		out.keep(k+1, g.edges, mass)
	}
	return out, nil
}

func (p Problem) validate() error {
	switch {
	case p.Process == nil:
		return errNoProcess
	case p.Domain == nil || p.CDF == nil:
		return fmt.Errorf("fokkerplanck: Domain nil: %t, CDF nil: %t, want both", p.Domain == nil, p.CDF == nil)
	case p.Cells < 3 || p.Steps < 1:
		return fmt.Errorf("fokkerplanck: Cells = %d, Steps = %d, want at least 3 and 1", p.Cells, p.Steps)
	case len(p.Times) == 0:
		return fmt.Errorf("fokkerplanck: Times is empty, want the time of the initial law and times to solve to")
	case p.Scheme != Midpoint && p.Scheme != BackwardEuler:
		return fmt.Errorf("fokkerplanck: Scheme = %d, want Midpoint or BackwardEuler", p.Scheme)
	}
	for i, t := range p.Times {
		if math.IsNaN(t) || math.IsInf(t, 0) || i > 0 && !(t > p.Times[i-1]) {
			return fmt.Errorf("fokkerplanck: Times = %g, want increasing finite times", p.Times)
		}
	}
	return nil
}

// keep stores masses as densities in row k.
func (s *Solution) keep(k int, edges, mass []float64) {
	s.Edges.SetRow(k, edges)
	for i, m := range mass {
		s.Density.Set(k, i, m/(edges[i+1]-edges[i]))
	}
}
