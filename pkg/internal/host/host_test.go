package host

import (
	"fmt"
	"math"
	"testing"

	"github.com/gomlx/compute/dtypes"
	"gonum.org/v1/gonum/mat"
)

// TestRoundTrip: values that both float types hold come back as they were, from slices of larger matrices too.
func TestRoundTrip(t *testing.T) {
	whole := mat.NewDense(3, 3, []float64{1, 2, 3, 4, -5.5, 6, 7, 8, 1 << 20})
	for _, m := range []mat.Matrix{whole, whole.Slice(1, 3, 0, 2), whole.T()} {
		for dtype, want := range map[dtypes.DType]dtypes.DType{
			dtypes.Float64: dtypes.Float64, dtypes.Float32: dtypes.Float32, dtypes.InvalidDType: dtypes.Float32,
		} {
			x := Tensor(m, dtype)
			if x.DType() != want || !mat.Equal(Matrix(x), m) {
				t.Errorf("%s: %v became %v of type %s", dtype, mat.Formatted(m), mat.Formatted(Matrix(x)), x.DType())
			}
		}
	}
	for _, dtype := range []dtypes.DType{dtypes.Float64, dtypes.Float32} {
		if c := Column([]float64{1, -0.5}, dtype); c.DType() != dtype || c.Rank() != 1 || Values(c)[1] != -0.5 {
			t.Errorf("%s: got %s with %v", dtype, c.Shape(), Values(c))
		}
	}
}

// TestFinite: the first bad element is named; finite matrices pass.
func TestFinite(t *testing.T) {
	m := mat.NewDense(2, 2, []float64{1, -2, 0, math.MaxFloat64})
	if err := Finite("data", m); err != nil {
		t.Error(err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(1), math.Inf(-1)} {
		m.Set(1, 0, bad)
		if err := Finite("data", m); err == nil || err.Error() != fmt.Sprintf("data row 1, column 0 is %g, want finite numbers", bad) {
			t.Errorf("%g: %v", bad, err)
		}
	}
}

// TestFitsFloat32: the first element beyond float32 is named, and so is a matrix without elements; others pass.
func TestFitsFloat32(t *testing.T) {
	m := mat.NewDense(2, 2, []float64{1, -2, 0, -math.MaxFloat32})
	if err := FitsFloat32("data", m); err != nil {
		t.Error(err)
	}
	for _, bad := range []float64{math.NaN(), math.Inf(-1), 2 * math.MaxFloat32} {
		m.Set(1, 0, bad)
		if err := FitsFloat32("data", m); err == nil || err.Error() != fmt.Sprintf("data row 1, column 0 is %g, want numbers that float32 holds", bad) {
			t.Errorf("%g: %v", bad, err)
		}
	}
	if err := FitsFloat32("data", &mat.Dense{}); err == nil || err.Error() != "data: got 0 x 0, want at least one row and one column" {
		t.Error(err)
	}
}
