// Package control draws from conditional laws with the score of an unconditional one: classes by a classifier or
// without, missing coordinates, linear inverse problems, and particles that correct what the approximations among these
// get wrong (Song et al. 2021, arXiv 2011.13456, section 5; Yang and Batzolis 2021, CCIMI report, section 2.1).
//
// All methods turn score functions into score functions, or wrap the parts of a sampler. What is conditioned on (scale,
// labels, observations) enters graphs as inputs: changing it compiles nothing.
package control

import (
	"fmt"
	"math"

	. "github.com/gomlx/gomlx/core/graph"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/score"
)

// Scale is the strength w >= 0 of a guidance: 0 leaves the unconditional score, 1 gives the conditional one, more
// overdoes it.
type Scale struct{ input *score.Input }

// NewScale returns a scale, or an error if w is negative or not finite.
func NewScale(w float64) (*Scale, error) {
	if err := checkScale(w); err != nil {
		return nil, err
	}
	return &Scale{score.NewScalar(w)}, nil
}

// Set changes the scale; errors as in NewScale.
func (s *Scale) Set(w float64) error {
	if err := checkScale(w); err != nil {
		return err
	}
	return s.input.Set(mat.NewDense(1, 1, []float64{w}))
}

func checkScale(w float64) error {
	if !(w >= 0) || math.IsInf(w, 0) {
		return fmt.Errorf("control: guidance scale = %g, want a finite number >= 0", w)
	}
	return nil
}

// String is the scale as a number. The nil Scale is "1".
func (s *Scale) String() string {
	if s == nil {
		return "1"
	}
	return fmt.Sprintf("%g", s.input.Value().At(0, 0))
}

// node is the scale, [1, 1], or 1 for the nil Scale.
func (s *Scale) node(x *Node) *Node {
	if s == nil {
		return ConstAs(x, [][]float64{{1}})
	}
	return s.input.Node(x)
}

// Labels are the classes wanted of samples: one for all, or one for each.
type Labels struct {
	input   *score.Input
	classes int
}

// NewLabels returns labels 0 <= label < classes, one for all samples or as many as there are samples. It returns an error
// for a label out of range.
func NewLabels(labels []int, classes int) (*Labels, error) {
	rows, err := score.OneHotRows(labels, classes)
	if err != nil {
		return nil, fmt.Errorf("control: %w", err)
	}
	return &Labels{score.NewInput(rows), classes}, nil
}

// Set changes the labels, whose number must stay; errors as in NewLabels.
func (l *Labels) Set(labels []int) error {
	rows, err := score.OneHotRows(labels, l.classes)
	if err != nil {
		return fmt.Errorf("control: %w", err)
	}
	if err := l.input.Set(rows); err != nil {
		return fmt.Errorf("control: labels: %w", err)
	}
	return nil
}

// Rows are the labels as one-hot rows for a batch x [B, d], [B, classes]: the condition of a network, score.Context.Given.
func (l *Labels) Rows(x *Node) *Node { return perSample("labels", l.input.Node(x), x) }

// perSample gives a table of one row, or of one row per sample, a row for each sample of x.
func perSample(what string, table, x *Node) *Node {
	rows, n := table.Shape().Dim(0), x.Shape().Dim(0)
	switch rows {
	case n:
		return table
	case 1:
		return BroadcastToDims(table, n, table.Shape().Dim(1))
	}
	panic(fmt.Errorf("control: got %d rows of %s for %d samples, want 1 or one each", rows, what, n))
}
