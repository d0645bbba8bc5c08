// Package dataset holds finite data: files of the repository, checked against their sums, and ways to divide them.
package dataset

import (
	"fmt"
	"math/rand/v2"

	"gonum.org/v1/gonum/mat"
)

// Labelled is data with a class for each row.
type Labelled struct {
	X      *mat.Dense // [n, d]
	Labels []int      // [n], classes from 0
}

// Split divides the rows at random into two parts, the first with n of them, 1 <= n < rows. The same seed gives the same
// parts on every machine.
func (l Labelled) Split(n int, seed uint64) (first, rest Labelled, err error) {
	rows, _ := l.X.Dims()
	if !(n >= 1 && n < rows) {
		return Labelled{}, Labelled{}, fmt.Errorf("dataset: split of %d rows with %d in the first part, want 1 to %d", rows, n, rows-1)
	}
	order := rand.New(rand.NewPCG(seed, 0)).Perm(rows)
	return l.pick(order[:n]), l.pick(order[n:]), nil
}

// pick copies the given rows.
func (l Labelled) pick(rows []int) Labelled {
	_, d := l.X.Dims()
	out := Labelled{X: mat.NewDense(len(rows), d, nil), Labels: make([]int, len(rows))}
	for i, row := range rows {
		out.X.SetRow(i, l.X.RawRowView(row))
		out.Labels[i] = l.Labels[row]
	}
	return out
}
