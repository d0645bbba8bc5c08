package train

import (
	"fmt"
	"slices"

	"github.com/gomlx/compute"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dataset"
	"github.com/scoresde/scoresde/pkg/noise"
	"github.com/scoresde/scoresde/pkg/score"
)

// Data is what a training draws its batches from: the same rows of each part, with replacement, or, from Fresh, new examples
// at every step.
type Data struct {
	X     dataset.Examples // [n, ...]
	Given dataset.Examples // conditions of the examples, [n, ...], the one-hot code of a class, say; the zero value: none
	Mask  dataset.Examples // which parts of an example count (not 0), of the first axes of X, as in score.Inputs; the zero value: all

	fresh func(rng noise.Source, n int) Batch // in place of the tables above, which then are a sample of what it draws
	err   error                               // what is wrong with them
}

// Batch is a batch of Data, float32 [B, ...] each, but Mask, which is bool. Given and Mask are nil where Data has none.
type Batch struct{ X, Given, Mask *Node }

// Context is what a network is given of the batch, besides x and t.
func (b Batch) Context() score.Context {
	var c score.Context
	if b.Given != nil {
		c.Given = func(*Node) *Node { return b.Given }
	}
	if b.Mask != nil {
		c.Mask = func(*Node) *Node { return b.Mask }
	}
	return c
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
	if err := d.checkMask(); err != nil {
		return 0, err
	}
	std = d.X.RMS(d.Mask)
	if !(std > 1e-18 && std < 1e18) { // its square must be a float32 too
		return 0, fmt.Errorf("train: the root mean square of the data is %g, want it in [1e-18, 1e18]; rescale the data", std)
	}
	return std, nil
}

// checkMask wants a mask for each example, of its first axes.
func (d Data) checkMask() error {
	if d.Mask.Len() == 0 {
		return nil
	}
	got, want := d.Mask.X.Shape().Dimensions, d.X.X.Shape().Dimensions
	if len(got) > len(want) || !slices.Equal(got, want[:len(got)]) {
		return fmt.Errorf("train: Data.Mask has shape %v for examples %v, want the first axes of these", got, want)
	}
	return nil
}

// part is one of the tables that there are.
type part struct {
	name string // in a run's manifest
	dataset.Examples
}

func (d Data) parts() []part {
	return slices.DeleteFunc([]part{{"data", d.X}, {"given", d.Given}, {"mask", d.Mask}}, func(p part) bool { return p.Len() == 0 })
}

// tables are copies on an engine, the only ones beside those of the caller: a tensor belongs to the first engine that takes it.
func (d Data) tables(b compute.Backend) ([]*tensors.Tensor, error) {
	if d.fresh != nil {
		return nil, nil
	}
	var tables []*tensors.Tensor
	for _, p := range d.parts() {
		own, err := p.X.OnDeviceClone(b, 0)
		if err != nil {
			return nil, fmt.Errorf("train: %w", err)
		}
		tables = append(tables, own)
	}
	return tables, nil
}

// drawer is how batches are drawn, without the data: executables that outlive their first training keep it.
type drawer struct {
	parts []string // names of the tables
	fresh func(rng noise.Source, n int) Batch
}

func (d Data) drawer() drawer {
	how := drawer{fresh: d.fresh}
	for _, p := range d.parts() {
		how.parts = append(how.parts, p.name)
	}
	return how
}

// batch draws size examples inside a graph that has the tables.
func (d drawer) batch(rng noise.Source, size int, tables []*Node) Batch {
	if d.fresh != nil {
		return d.fresh(rng, size)
	}
	var b Batch
	rows := rng.Below(tables[0].Shape().Dim(0), size)
	for k, name := range d.parts {
		switch name {
		case "data":
			b.X = dataset.Take(tables[k], rows)
		case "given":
			b.Given = dataset.Take(tables[k], rows)
		case "mask":
			taken := Gather(tables[k], InsertAxes(rows, -1))
			b.Mask = NotEqual(taken, ZerosLike(taken))
		}
	}
	return b
}

// sums are the identities of the parts by name, for a run's manifest.
func (d Data) sums() map[string]string {
	sums := map[string]string{}
	for _, p := range d.parts() {
		sums[p.name] = p.Sum
	}
	return sums
}
