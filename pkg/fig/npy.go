package fig

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// SaveSamples writes x [n, d] to samples/<what>.npy in the notebook's folder, as float32 [n, d], so that any program
// (numpy.load) can recheck what a figure shows. It panics if x is empty or the file cannot be written.
func (nb *Notebook) SaveSamples(what string, x mat.Matrix) { try(nb.saveSamples(what, x)) }

func (nb *Notebook) saveSamples(what string, x mat.Matrix) error {
	if err := checkName("sample", what); err != nil {
		return err
	}
	data, err := npy(x)
	if err != nil {
		return fmt.Errorf("fig: samples %q: %w", what, err)
	}
	if err := nb.mkdir("samples"); err != nil {
		return err
	}
	return nb.write("samples/"+what+".npy", data)
}

// npy encodes x as NPY version 1.0 (numpy.lib.format): magic, header length, a Python dict padded so that the data
// starts at a multiple of 64 bytes, then little-endian float32 in C order.
func npy(x mat.Matrix) ([]byte, error) {
	if x == nil {
		return nil, fmt.Errorf("matrix is nil")
	}
	n, d := x.Dims()
	if n == 0 || d == 0 {
		return nil, fmt.Errorf("matrix is [%d, %d], want at least one row and column", n, d)
	}
	dict := fmt.Sprintf("{'descr': '<f4', 'fortran_order': False, 'shape': (%d, %d), }", n, d)
	const prefix = 10 // magic, version, header length
	dict += strings.Repeat(" ", 63-(prefix+len(dict))%64) + "\n"
	var buf bytes.Buffer
	buf.Grow(prefix + len(dict) + 4*n*d)
	buf.WriteString("\x93NUMPY\x01\x00")
	length := binary.LittleEndian.AppendUint16(nil, uint16(len(dict)))
	buf.Write(length)
	buf.WriteString(dict)
	row := make([]float32, d)
	for i := range n {
		for j := range row {
			row[j] = float32(x.At(i, j))
		}
		if err := binary.Write(&buf, binary.LittleEndian, row); err != nil {
			return nil, err
		}
	}
	return buf.Bytes(), nil
}
