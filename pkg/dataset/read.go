package dataset

import (
	"encoding/binary"
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// Read returns an array of numbers from a file: .npy, .npz or .safetensors. name chooses among the arrays of the latter two
// and may be empty where there is one. An array [n] becomes the matrix [n, 1], [n, a, b, ...] becomes [n, a b ...], one
// example per row. Numbers are float32, float64, int32, int64 or uint8, of which float64 holds integers up to 2^53 exactly.
//
// Files come from anywhere. What a header claims is compared with the size of the file before memory is taken for it, and
// what does not fit together is an error. Formats that can hold programs (pickle: .pt, .pth, .pkl, object arrays of numpy)
// are refused.
func Read(path, name string) (*mat.Dense, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	var a array
	switch ext := strings.ToLower(filepath.Ext(path)); ext {
	case ".npy":
		if name != "" {
			return nil, fmt.Errorf("dataset: %s holds one array without a name, got the name %q", path, name)
		}
		a, err = readNPY(f, info.Size())
	case ".npz":
		a, err = readNPZ(f, info.Size(), name)
	case ".safetensors":
		a, err = readSafetensors(f, info.Size(), name)
	case ".pt", ".pth", ".pkl", ".pickle", ".ckpt":
		err = errors.New("pickle files can hold programs and are not read; save the array as .npy or .safetensors")
	default:
		err = fmt.Errorf("its name ends in %q, want .npy, .npz or .safetensors", ext)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return a.matrix(), nil
}

// array is one as a file holds it. data has exactly the bytes that number and dims want.
type array struct {
	number  number
	dims    []int
	fortran bool // first index fastest; at most two dimensions
	data    []byte
}

// number is a type of numbers, little-endian.
type number struct {
	size int
	at   func(b []byte) float64
}

var (
	float32s = number{4, func(b []byte) float64 { return float64(math.Float32frombits(binary.LittleEndian.Uint32(b))) }}
	float64s = number{8, func(b []byte) float64 { return math.Float64frombits(binary.LittleEndian.Uint64(b)) }}
	int32s   = number{4, func(b []byte) float64 { return float64(int32(binary.LittleEndian.Uint32(b))) }}
	int64s   = number{8, func(b []byte) float64 { return float64(int64(binary.LittleEndian.Uint64(b))) }}
	uint8s   = number{1, func(b []byte) float64 { return float64(b[0]) }}
)

const maxRank = 8

// bytesOf is the size of an array, or an error for dimensions that no file has. It checks the product, not only its factors.
func bytesOf(dims []int, size int) (int64, error) {
	if len(dims) > maxRank {
		return 0, fmt.Errorf("it has %d dimensions, want at most %d", len(dims), maxRank)
	}
	total := int64(size)
	for _, d := range dims {
		if d < 1 {
			return 0, fmt.Errorf("its shape is %v, want at least 1 in each dimension", dims)
		}
		if total > math.MaxInt64/int64(d) {
			return 0, fmt.Errorf("its shape is %v, more than any file holds", dims)
		}
		total *= int64(d)
	}
	return total, nil
}

// matrix has one example per row.
func (a array) matrix() *mat.Dense {
	n := 1
	if len(a.dims) > 0 {
		n = a.dims[0]
	}
	total := len(a.data) / a.number.size
	values := make([]float64, total)
	for i := range values {
		values[i] = a.number.at(a.data[i*a.number.size:])
	}
	if a.fortran && len(a.dims) == 2 {
		return mat.DenseCopyOf(mat.NewDense(a.dims[1], n, values).T())
	}
	return mat.NewDense(n, total/n, values)
}

// only returns name, or the only one of names where name is empty.
func only(name string, names []string) (string, error) {
	slices.Sort(names)
	switch {
	case name == "" && len(names) == 1:
		return names[0], nil
	case name == "" || !slices.Contains(names, name):
		return "", fmt.Errorf("got the name %q, want one of its arrays %.10q", name, names[:min(10, len(names))])
	}
	return name, nil
}
