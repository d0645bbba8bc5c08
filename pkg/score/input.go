package score

import (
	"fmt"
	"sync/atomic"

	"github.com/gomlx/compute/dtypes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/ml/model"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/internal/host"
	"github.com/scoresde/scoresde/pkg/internal/loop"
)

// Input is a matrix that graphs read and the host may change between two runs without compiling anything: a guidance
// scale, the classes of the samples, an observation. It is not safe to change it during a run.
type Input struct {
	store *model.Store
	value *model.Variable
}

var inputs atomic.Int64 // made so far: their paths in graphs must differ

// NewInput returns an input with a value [r, c], whose shape stays.
func NewInput(value mat.Matrix) *Input {
	in := &Input{store: model.NewStore()}
	v, err := in.store.CreateVariable(fmt.Sprintf("/input_%d", inputs.Add(1)), host.Tensor(value, dtypes.Float64))
	if err != nil {
		panic(err) // the store is new and the path legal
	}
	in.value = v.SetTrainable(false)
	return in
}

// NewScalar returns an input [1, 1].
func NewScalar(value float64) *Input { return NewInput(mat.NewDense(1, 1, []float64{value})) }

// Set changes the value. It returns an error if the shape is another.
func (in *Input) Set(value mat.Matrix) error {
	r, c := value.Dims()
	want := in.value.Shape()
	if r != want.Dim(0) || c != want.Dim(1) {
		return fmt.Errorf("score: input got a value [%d, %d], want [%d, %d]", r, c, want.Dim(0), want.Dim(1))
	}
	return in.value.SetValue(host.Tensor(value, dtypes.Float64))
}

// Value returns a copy of the value, [r, c].
func (in *Input) Value() *mat.Dense { return host.Matrix(in.value.MustValue()) }

// Node is the value in the graph of x, [r, c] of its float type.
func (in *Input) Node(x *Node) *Node {
	loop.Use(x, in.store)
	return ConvertDType(in.value.NodeValue(x), x.DType())
}

// OneHotRows codes classes 0..classes-1 as rows with a single 1, [len(labels), classes]: the condition of a network, or the
// choice of a column of a Posterior.
func OneHotRows(labels []int, classes int) (*mat.Dense, error) {
	if len(labels) == 0 || classes < 1 {
		return nil, fmt.Errorf("score: got %d labels of %d classes, want at least one of each", len(labels), classes)
	}
	y := mat.NewDense(len(labels), classes, nil)
	for i, label := range labels {
		if label < 0 || label >= classes {
			return nil, fmt.Errorf("score: label %d is %d, want 0 <= label < %d", i, label, classes)
		}
		y.Set(i, label, 1)
	}
	return y, nil
}
