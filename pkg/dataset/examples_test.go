package dataset

import (
	"math"
	"slices"
	"strings"
	"testing"

	. "github.com/gomlx/gomlx/core/graph"
	"github.com/gomlx/gomlx/core/tensors"
	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/backend/backendtest"
)

// TestExamples: numbers and bytes come back as the batch that their rows stand for, and what tells data apart is their
// type, shape and numbers alone.
func TestExamples(t *testing.T) {
	rows := mat.NewDense(3, 4, []float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12})
	flat, err := Rows(rows)
	if err != nil {
		t.Fatal(err)
	}
	pictures, err := Rows(rows, 2, 2, 1)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := NewExamples(tensors.FromFlatDataAndDimensions([]uint8{0, 255, 51, 204}, 2, 2))
	if err != nil {
		t.Fatal(err)
	}
	again, _ := Rows(mat.DenseCopyOf(rows))
	rows.Set(2, 3, 13)
	other, _ := Rows(rows)
	sums := map[string]bool{flat.Sum: true, pictures.Sum: true, raw.Sum: true, other.Sum: true}
	if len(sums) != 4 || again.Sum != flat.Sum {
		t.Errorf("4 different data have %d identities, equal ones have equal ones: %t", len(sums), again.Sum == flat.Sum)
	}
	if pictures.Len() != 3 || !slices.Equal(pictures.Shape(), []int{2, 2, 1}) || (Examples{}).Len() != 0 {
		t.Errorf("%d examples of the shape %v", pictures.Len(), pictures.Shape())
	}
	if got, want := flat.RMS(Examples{}), math.Sqrt(650.0/12); math.Abs(got-want) > 1e-12 {
		t.Errorf("root mean square %g, want %g", got, want)
	}
	if got, want := raw.RMS(Examples{}), math.Sqrt((1+1+0.36+0.36)/4); math.Abs(got-want) > 1e-12 {
		t.Errorf("root mean square of bytes %g, want %g", got, want)
	}
	for name, b := range backendtest.All(t) {
		for _, e := range []Examples{pictures, raw} {
			if err := e.X.ToLocal(); err != nil { // from the engine before
				t.Fatal(err)
			}
		}
		out := MustExecOnceN(b, func(x, raw, at *Node) []*Node { return []*Node{Take(x, at), Take(raw, at)} },
			pictures.X, raw.X, []int32{1, 0, 1})
		if got, want := tensors.MustCopyFlatData[float32](out[0]), []float32{5, 6, 7, 8, 1, 2, 3, 4, 5, 6, 7, 8}; !slices.Equal(got, want) {
			t.Errorf("%s: got %v, want %v", name, got, want)
		}
		for k, want := range []float64{-0.6, 0.6, -1, 1, -0.6, 0.6} {
			if got := tensors.MustCopyFlatData[float32](out[1])[k]; math.Abs(float64(got)-want) > 1e-6 {
				t.Errorf("%s: byte %d is %g, want %g", name, k, got, want)
			}
		}
	}
}

func TestBadExamples(t *testing.T) {
	for says, make := range map[string]func() (Examples, error){
		"no data":                  func() (Examples, error) { return Rows(nil) },
		"row 0, column 1 is NaN":   func() (Examples, error) { return Rows(mat.NewDense(1, 2, []float64{0, math.NaN()})) },
		"row 0, column 0 is 1e+39": func() (Examples, error) { return Rows(mat.NewDense(1, 1, []float64{1e39})) },
		"of the shape [3]":         func() (Examples, error) { return Rows(mat.NewDense(1, 2, nil), 3) },
		"want a tensor":            func() (Examples, error) { return NewExamples(nil) },
		"want Float32 or Uint8":    func() (Examples, error) { return NewExamples(tensors.FromValue([]float32{1})) },
		"example 1, number 0 is +I": func() (Examples, error) {
			return NewExamples(tensors.FromValue([][]float32{{1}, {float32(math.Inf(1))}}))
		},
	} {
		if _, err := make(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("got %v, want an error that says %q", err, says)
		}
	}
}
