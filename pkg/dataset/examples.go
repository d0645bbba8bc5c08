package dataset

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"math"
	"slices"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"
)

// Examples are n examples of one shape, [n, ...], as training takes them: numbers in Float32, or the bytes of pictures in
// Uint8, which stay bytes until a batch is drawn and then stand for byte/127.5 - 1, in [-1, 1]. The zero value holds none.
type Examples struct {
	X   *tensors.Tensor // [n, ...]
	Sum string          // SHA-256 of type, shape and numbers, in hexadecimal: the identity of the data
}

// NewExamples takes over a tensor [n, ...] of Float32 or Uint8 with at least one example, whose numbers must be finite.
func NewExamples(x *tensors.Tensor) (Examples, error) {
	if x == nil {
		return Examples{}, errors.New("dataset: no examples, want a tensor [n, ...] with one example per row")
	}
	shape := x.Shape()
	if shape.Rank() < 2 || slices.Min(shape.Dimensions) < 1 || shape.DType != dtypes.Float32 && shape.DType != dtypes.Uint8 {
		return Examples{}, fmt.Errorf("dataset: examples got %s, want Float32 or Uint8 of [n, ...] with sizes >= 1", shape)
	}
	each, bad := shape.Size()/shape.Dim(0), error(nil)
	err := x.ConstFlatData(func(flat any) {
		values, _ := flat.([]float32)
		for i, v := range values {
			if math.IsNaN(float64(v)) || math.IsInf(float64(v), 0) {
				bad = fmt.Errorf("dataset: example %d, number %d is %g, want finite numbers", i/each, i%each, v)
				return
			}
		}
	})
	if err := errors.Join(err, bad); err != nil {
		return Examples{}, err
	}
	h := sha256.New()
	fmt.Fprintln(h, shape.DType, shape.Dimensions)
	if err := x.ConstBytes(func(b []byte) { h.Write(b) }); err != nil {
		return Examples{}, fmt.Errorf("dataset: %w", err)
	}
	return Examples{X: x, Sum: hex.EncodeToString(h.Sum(nil))}, nil
}

// Rows copies the rows of a matrix [n, d], which must be numbers that float32 holds, to examples of a shape of d numbers: {d}
// where none is given.
func Rows(m mat.Matrix, shape ...int) (Examples, error) {
	if d, ok := m.(*mat.Dense); m == nil || ok && d == nil {
		return Examples{}, errors.New("dataset: no data, want a matrix [n, d] with one example per row")
	}
	n, d := m.Dims()
	if n == 0 || d == 0 {
		return Examples{}, fmt.Errorf("dataset: got %d x %d numbers, want at least one row and one column", n, d)
	}
	if len(shape) == 0 {
		shape = []int{d}
	}
	if size := shapes.Make(dtypes.Float32, shape...).Size(); size != d {
		return Examples{}, fmt.Errorf("dataset: got rows of %d numbers for examples of the shape %v, want %d", d, shape, size)
	}
	values := make([]float32, 0, n*d)
	for i := range n {
		for k := range d {
			v := m.At(i, k)
			if !(math.Abs(v) <= math.MaxFloat32) {
				return Examples{}, fmt.Errorf("dataset: row %d, column %d is %g, want numbers that float32 holds", i, k, v)
			}
			values = append(values, float32(v))
		}
	}
	return NewExamples(tensors.FromFlatDataAndDimensions(values, append([]int{n}, shape...)...))
}

// Len is the number of examples, 0 for the zero value.
func (e Examples) Len() int {
	if e.X == nil {
		return 0
	}
	return e.X.Shape().Dim(0)
}

// Shape is that of one example.
func (e Examples) Shape() []int { return slices.Clone(e.X.Shape().Dimensions[1:]) }

// RMS is the root mean square of the numbers that a batch would have, over those that mask, of the first axes of X, counts by
// other numbers than 0; over all for the zero value.
func (e Examples) RMS(mask Examples) float64 {
	counts, each := func(int) bool { return true }, 1
	if mask.Len() > 0 {
		counts, each = mask.nonzero(), e.X.Shape().Size()/mask.X.Shape().Size()
	}
	sum, n := 0.0, 0
	add := func(i int, v float64) {
		if counts(i / each) {
			sum, n = sum+v*v, n+1
		}
	}
	e.X.MustConstFlatData(func(flat any) {
		switch values := flat.(type) {
		case []float32:
			for i, v := range values {
				add(i, float64(v))
			}
		case []uint8:
			for i, b := range values {
				add(i, float64(b)/127.5-1)
			}
		}
	})
	return math.Sqrt(sum / float64(max(n, 1)))
}

// nonzero tells which numbers of X are not 0.
func (e Examples) nonzero() func(i int) bool {
	if e.X.DType() == dtypes.Uint8 {
		flat := tensors.MustCopyFlatData[uint8](e.X)
		return func(i int) bool { return flat[i] != 0 }
	}
	flat := tensors.MustCopyFlatData[float32](e.X)
	return func(i int) bool { return flat[i] != 0 }
}

// Take returns the examples of some rows, int32 [B], of a table in a graph, [B, ...] in Float32.
func Take(table, rows *Node) *Node {
	batch := Gather(table, InsertAxes(rows, -1))
	if table.DType() == dtypes.Float32 {
		return batch
	}
	batch = ConvertDType(batch, dtypes.Float32)
	return Sub(Mul(batch, ConstAs(batch, 1/127.5)), ConstAs(batch, 1.0))
}
