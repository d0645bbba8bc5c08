// Package host moves numbers between the matrices and slices of the host, in float64, and tensors of a float type.
package host

import (
	"errors"
	"fmt"
	"math"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"
)

// Tensor copies a matrix [n, d] to a tensor of type Float64, or of Float32 for any other dtype.
func Tensor(m mat.Matrix, dtype dtypes.DType) *tensors.Tensor {
	n, d := m.Dims()
	return TensorOf(m, shapes.Make(dtype, n, d))
}

// TensorOf copies the elements of a matrix, row by row, to a tensor of a shape of as many.
func TensorOf(m mat.Matrix, shape shapes.Shape) *tensors.Tensor {
	n, d := m.Dims()
	values := make([]float64, 0, n*d)
	for i := range n {
		for k := range d {
			values = append(values, m.At(i, k))
		}
	}
	return shaped(values, shape.DType, shape.Dimensions...)
}

// Column copies values to a tensor [len(values)] of type Float64, or of Float32 for any other dtype.
func Column(values []float64, dtype dtypes.DType) *tensors.Tensor {
	return shaped(values, dtype, len(values))
}

func shaped(values []float64, dtype dtypes.DType, dims ...int) *tensors.Tensor {
	if dtype == dtypes.Float64 {
		return tensors.FromFlatDataAndDimensions(values, dims...)
	}
	narrow := make([]float32, len(values))
	for i, v := range values {
		narrow[i] = float32(v)
	}
	return tensors.FromFlatDataAndDimensions(narrow, dims...)
}

// Matrix copies a float tensor [n, ...] to a matrix whose rows are its examples.
func Matrix(t *tensors.Tensor) *mat.Dense {
	n := t.Shape().Dim(0)
	return mat.NewDense(n, t.Shape().Size()/n, Values(t))
}

// Values copies the elements of a Float32 or Float64 tensor of any shape.
func Values(t *tensors.Tensor) []float64 {
	if t.DType() == dtypes.Float64 {
		return tensors.MustCopyFlatData[float64](t)
	}
	narrow := tensors.MustCopyFlatData[float32](t)
	wide := make([]float64, len(narrow))
	for i, v := range narrow {
		wide[i] = float64(v)
	}
	return wide
}

// Finite returns an error that names the first element of m that is NaN or infinite, and m as what.
func Finite(what string, m mat.Matrix) error {
	n, d := m.Dims()
	for i := range n {
		for k := range d {
			if v := m.At(i, k); math.IsNaN(v) || math.IsInf(v, 0) {
				return fmt.Errorf("%s row %d, column %d is %g, want finite numbers", what, i, k, v)
			}
		}
	}
	return nil
}

// FiniteTensor is Finite for the examples of a Float32 or Float64 tensor [n, ...], without a copy of it.
func FiniteTensor(what string, t *tensors.Tensor) error {
	each, bad := t.Shape().Size()/t.Shape().Dim(0), error(nil)
	check := func(i int, v float64) {
		if bad == nil && (math.IsNaN(v) || math.IsInf(v, 0)) {
			bad = fmt.Errorf("%s row %d, column %d is %g, want finite numbers", what, i/each, i%each, v)
		}
	}
	err := t.ConstFlatData(func(flat any) {
		switch values := flat.(type) {
		case []float32:
			for i, v := range values {
				check(i, float64(v))
			}
		case []float64:
			for i, v := range values {
				check(i, v)
			}
		}
	})
	return errors.Join(err, bad)
}

// FitsFloat32 returns an error that names the first element of m that float32 does not hold, and m as what. A matrix
// without elements is an error too.
func FitsFloat32(what string, m mat.Matrix) error {
	n, d := m.Dims()
	if n == 0 || d == 0 {
		return fmt.Errorf("%s: got %d x %d, want at least one row and one column", what, n, d)
	}
	for i := range n {
		for k := range d {
			if v := m.At(i, k); !(math.Abs(v) <= math.MaxFloat32) {
				return fmt.Errorf("%s row %d, column %d is %g, want numbers that float32 holds", what, i, k, v)
			}
		}
	}
	return nil
}
