package dist

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
)

// Observe returns the law of X given that A X + noise Z = y with Z ~ N(0, I_n), for a = A, [n, d], and y of length n,
// together with logEvidence, the log density of y in nats. Both are exact: component k of the posterior has weight
// proportional to w_k N(y; A mu_k, A C_k A^T + noise^2 I) and the mean and covariance of the Kalman update. Components
// whose weight underflows to 0 are dropped, so that the posterior can have fewer.
//
// With noise = 0, A must have full row rank. The posterior then has no variance along the rows of A, and like a mixture
// of point masses it has a density only once it is noised; Given returns the law of free coordinates instead.
//
// It returns an error if a, y or noise has a wrong size or is not finite, if noise < 0, if noise = 0 and the rows of A
// depend on each other (and says so if they contradict each other) or a component has no variance along some of them,
// and if y is so far away that its log density is not finite.
func (m Mixture) Observe(a mat.Matrix, noise float64, y []float64) (posterior Mixture, logEvidence float64, err error) {
	o, err := observe(a, noise, y, m.Dim())
	if err == nil {
		posterior, logEvidence, err = m.condition(o, upTo(m.Dim()))
	}
	if err != nil {
		return Mixture{}, 0, fmt.Errorf("dist: Observe: %w", err)
	}
	return posterior, logEvidence, nil
}

// Given returns the law of the other coordinates of X, in their order, given that coordinates index equal values
// exactly, together with logEvidence, the log density of values in nats. It has dimension d - len(index) and a density
// wherever X has one; an isotropic mixture stays isotropic. Components are dropped as in Observe. It returns an error if
// index is empty, names a coordinate twice or out of range 0..d-1 or leaves none free, if values has another length or
// is not finite, if a component has no variance along the coordinates, and if the log density is not finite.
func (m Mixture) Given(index []int, values []float64) (free Mixture, logEvidence float64, err error) {
	a, others, err := selection(index, values, m.Dim())
	if err != nil {
		return Mixture{}, 0, fmt.Errorf("dist: Given: %w", err)
	}
	o, err := observe(a, 0, values, m.Dim())
	if err == nil {
		free, logEvidence, err = m.condition(o, others)
	}
	if err != nil {
		return Mixture{}, 0, fmt.Errorf("dist: Given: %w", err)
	}
	return free, logEvidence, nil
}

// selection returns the rows of the identity that index names and the coordinates that it does not name.
func selection(index []int, values []float64, dim int) (rows *mat.Dense, others []int, err error) {
	if len(index) == 0 || len(index) >= dim {
		return nil, nil, fmt.Errorf("%d coordinates of %d are known, want 1 to %d", len(index), dim, dim-1)
	}
	if len(values) != len(index) {
		return nil, nil, fmt.Errorf("%d values for %d coordinates", len(values), len(index))
	}
	rows = mat.NewDense(len(index), dim, nil)
	known := make(map[int]float64)
	for i, j := range index {
		if j < 0 || j >= dim {
			return nil, nil, fmt.Errorf("index %d is coordinate %d, want 0 to %d", i, j, dim-1)
		}
		if v, twice := known[j]; twice && v != values[i] {
			return nil, nil, fmt.Errorf("coordinate %d is observed as %g and as %g: the observations contradict each other", j, v, values[i])
		} else if twice {
			return nil, nil, fmt.Errorf("coordinate %d is named twice", j)
		}
		known[j] = values[i]
		rows.Set(i, j, 1)
	}
	for j := range dim {
		if _, ok := known[j]; !ok {
			others = append(others, j)
		}
	}
	return rows, others, nil
}

// condition returns the law of the coordinates keep of X given the observation, and the log density of the observation.
func (m Mixture) condition(o observation, keep []int) (Mixture, float64, error) {
	c := m.components
	logWeights := make([]float64, c.k)
	means, roots := mat.NewDense(c.k, len(keep), nil), make([]*mat.Dense, c.k)
	top := math.Inf(-1)
	for k, w := range m.weights {
		mean, root, logProb, err := o.update(c.means.RowView(k), c.root(k))
		if err != nil {
			return Mixture{}, 0, fmt.Errorf("component %d %w", k, err)
		}
		logWeights[k] = math.Log(w) + logProb
		top = max(top, logWeights[k]) // NaN stays
		roots[k] = mat.NewDense(len(keep), c.dim, nil)
		for i, j := range keep {
			means.Set(k, i, mean.AtVec(j))
			roots[k].SetRow(i, root.RawRowView(j))
		}
	}
	if !finite(top) {
		return Mixture{}, 0, fmt.Errorf("the log density of the observation is %g: it is too far from every component", top)
	}
	total := 0.0
	for _, l := range logWeights {
		total += math.Exp(l - top)
	}
	// The survivors move to the front.
	n, weights := 0, make([]float64, 0, c.k)
	for k, l := range logWeights {
		if w := math.Exp(l-top) / total; w > 0 {
			weights = append(weights, w)
			means.SetRow(n, means.RawRowView(k))
			roots[n] = roots[k]
			n++
		}
	}
	kept := mat.DenseCopyOf(means.Slice(0, n, 0, len(keep)))
	if err := bounded(kept); err != nil {
		return Mixture{}, 0, err
	}
	posterior, err := fromRoots(kept, roots[:n])
	if err != nil {
		return Mixture{}, 0, err
	}
	out, err := weighted(weights, posterior)
	return out, top + math.Log(total), err
}

// upTo is 0, 1, ..., n-1.
func upTo(n int) []int {
	out := make([]int, n)
	for i := range out {
		out[i] = i
	}
	return out
}
