package train

import (
	"fmt"
	"slices"

	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dataset"
)

// Data is what a training draws its batches from, the same rows of each part, with replacement.
type Data struct {
	X     dataset.Examples // [n, ...]
	Given dataset.Examples // conditions of the examples, [n, ...], the one-hot code of a class, say; the zero value: none
	err   error            // what is wrong with them
}

// Rows are examples and, where there are some, conditions from matrices with one row for each, [n, d] and [n, c]. What is
// wrong with them, Fit says.
func Rows(x mat.Matrix, given ...mat.Matrix) Data {
	var d Data
	if d.X, d.err = dataset.Rows(x); d.err != nil {
		return d
	}
	for _, y := range given {
		if d.Given, d.err = dataset.Rows(y); d.err != nil {
			d.err = fmt.Errorf("conditions: %w", d.err)
		}
	}
	return d
}

// check refuses data that would only fail, or silently spoil the weights, later. It returns the standard deviation over all
// numbers about 0, which preconditioning needs.
func (d Data) check() (std float64, err error) {
	if d.err != nil {
		return 0, fmt.Errorf("train: %w", d.err)
	}
	n := d.X.Len()
	if n == 0 {
		return 0, fmt.Errorf("train: no data, want Data.X with at least one example")
	}
	if got := d.Given.Len(); got != 0 && got != n {
		return 0, fmt.Errorf("train: got %d rows of conditions for %d examples, want one each", got, n)
	}
	std = d.X.RMS()
	if !(std > 1e-18 && std < 1e18) { // its square must be a float32 too
		return 0, fmt.Errorf("train: the root mean square of the data is %g, want it in [1e-18, 1e18]; rescale the data", std)
	}
	return std, nil
}

// parts are those that there are.
func (d Data) parts() []dataset.Examples {
	return slices.DeleteFunc([]dataset.Examples{d.X, d.Given}, func(e dataset.Examples) bool { return e.Len() == 0 })
}

// tables are copies for one engine: a tensor belongs to the first that takes it.
func (d Data) tables() ([]*tensors.Tensor, error) {
	var tables []*tensors.Tensor
	for _, e := range d.parts() {
		own, err := e.X.LocalClone()
		if err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
		tables = append(tables, own)
	}
	return tables, nil
}

// sums are the identities of the parts by name, for a run's manifest.
func (d Data) sums() map[string]string {
	sums := map[string]string{}
	for k, e := range d.parts() {
		sums[[]string{"data", "given"}[k]] = e.Sum
	}
	return sums
}
