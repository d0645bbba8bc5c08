package dataset

import (
	"archive/zip"
	"bytes"
	"encoding/binary"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"
)

// npyFile is a .npy file of version 1 with that dictionary.
func npyFile(dict string, numbers any) []byte {
	b := []byte("\x93NUMPY\x01\x00")
	b = binary.LittleEndian.AppendUint16(b, uint16(len(dict)))
	b = append(b, dict...)
	b, _ = binary.Append(b, binary.LittleEndian, numbers)
	return b
}

func dictOf(descr, fortran, shape string) string {
	return fmt.Sprintf("{'descr': '%s', 'fortran_order': %s, 'shape': %s, }   \n", descr, fortran, shape)
}

// npzFile is an archive of files, packed.
func npzFile(files map[string][]byte) []byte {
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, content := range files {
		w, _ := z.Create(name)
		w.Write(content)
	}
	z.Close()
	return b.Bytes()
}

// tensorFile is a .safetensors file with that header.
func tensorFile(header string, numbers any) []byte {
	b := binary.LittleEndian.AppendUint64(nil, uint64(len(header)))
	b = append(b, header...)
	b, _ = binary.Append(b, binary.LittleEndian, numbers)
	return b
}

func readBytes(t *testing.T, file, name string, content []byte) (*mat.Dense, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), file)
	if err := os.WriteFile(path, content, 0o644); err != nil {
		t.Fatal(err)
	}
	return Read(path, name)
}

// TestRead: every format, type and order gives the numbers that were written.
func TestRead(t *testing.T) {
	two := mat.NewDense(2, 3, []float64{1, -2, 3, 4, 5.5, 6})
	whole := mat.NewDense(2, 2, []float64{0, 1, 200, 255})
	f32 := []float32{1, -2, 3, 4, 5.5, 6}
	plain := npyFile(dictOf("<f4", "False", "(2, 3)"), f32)
	wide := append([]byte("\x93NUMPY\x02\x00"), binary.LittleEndian.AppendUint32(nil, uint32(len(dictOf("<f8", "False", "(2, 3)"))))...)
	wide = append(wide, npyFile(dictOf("<f8", "False", "(2, 3)"), []float64{1, -2, 3, 4, 5.5, 6})[10:]...)
	pair := `{"__metadata__":{"a":"b"},"x":{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]},"n":{"dtype":"U8","shape":[2,2],"data_offsets":[0,4]}}  `
	tensors := append(tensorFile(pair, []uint8{0, 1, 200, 255}), npyFile("", f32)[10:]...)
	for _, c := range []struct {
		file, name string
		content    []byte
		want       *mat.Dense
	}{
		{"a.npy", "", plain, two},
		{"a.NPY", "", wide, two},
		{"a.npy", "", npyFile(dictOf("<f4", "True", "(2, 3)"), []float32{1, 4, -2, 5.5, 3, 6}), two},
		{"a.npy", "", npyFile(dictOf("|u1", "False", "(2, 2)"), []uint8{0, 1, 200, 255}), whole},
		{"a.npy", "", npyFile(dictOf("<i8", "False", "(2, 2, 1)"), []int64{0, 1, 200, 255}), whole},
		{"a.npy", "", npyFile(dictOf("<i4", "False", "(2,)"), []int32{-7, math.MaxInt32}), mat.NewDense(2, 1, []float64{-7, math.MaxInt32})},
		{"a.npy", "", npyFile(dictOf("<f8", "False", "()"), 0.5), mat.NewDense(1, 1, []float64{0.5})},
		{"a.npz", "", npzFile(map[string][]byte{"x.npy": plain, "notes.txt": []byte("hello")}), two},
		{"a.npz", "y", npzFile(map[string][]byte{"x.npy": wide, "y.npy": plain}), two},
		{"a.safetensors", "x", tensors, two},
		{"a.safetensors", "n", tensors, whole},
	} {
		got, err := readBytes(t, c.file, c.name, c.content)
		if err != nil || !mat.Equal(got, c.want) {
			t.Errorf("%s, %q: %v, %v, want %v", c.file, c.name, got, err, c.want)
		}
	}
}

// TestReadHostile: sizes that do not fit, products that overflow, packed bombs, holes, overlaps, equal names and formats
// that hold programs are errors that say so (faults of row 24, 25 and 27), and take no memory.
func TestReadHostile(t *testing.T) {
	six := []float32{1, 2, 3, 4, 5, 6}
	npy := func(shape string) []byte { return npyFile(dictOf("<f4", "False", shape), six) }
	x := func(entry string) []byte { return tensorFile(`{"x":`+entry+`}`, six) }
	long := npy("(2, 3)")
	binary.LittleEndian.PutUint16(long[8:], 65535)
	huge := append([]byte("\x93NUMPY\x02\x00"), 0xff, 0xff, 0xff, 0x7f)
	bomb := npzFile(map[string][]byte{"x.npy": npyFile(dictOf("<f4", "False", "(1000000,)"), make([]float32, 1_000_000))})
	at := bytes.LastIndex(bomb, []byte("PK\x01\x02"))
	binary.LittleEndian.PutUint32(bomb[at+24:], 0xfffffffe) // the size in the directory
	torn := npzFile(map[string][]byte{"x.npy": npy("(2, 3)")})
	torn[60] ^= 1
	for _, c := range []struct {
		file, name string
		content    []byte
		says       string
	}{
		{"a.npy", "", nil, "does not begin"},
		{"a.npy", "", []byte("\x93NUMPY\x09\x00"), "does not begin"},
		{"a.npy", "x", npy("(2, 3)"), "one array"},
		{"a.npy", "", npy("(2, 3)")[:60], "header"},
		{"a.npy", "", long, "header"},
		{"a.npy", "", huge, "at most 65536"},
		{"a.npy", "", npy("(2, 2)"), "24 bytes of numbers, want the 16"},
		{"a.npy", "", npy("(2, 4)"), "24 bytes of numbers, want the 32"},
		{"a.npy", "", npy("(-2, 3)"), "as numpy writes it"},
		{"a.npy", "", npy("(0, 3)"), "at least 1"},
		{"a.npy", "", npy("(4611686018427387904, 4)"), "more than any file"},
		{"a.npy", "", npy("(1099511627776,)"), "want the 4398046511104"},
		{"a.npy", "", npy("(99999999999999999999,)"), "numbers separated by commas"},
		{"a.npy", "", npy("(2,,3)"), "numbers separated by commas"},
		{"a.npy", "", npy("(1, 1, 1, 1, 1, 1, 1, 2, 3)"), "9 dimensions"},
		{"a.npy", "", npyFile(dictOf("<f4", "True", "(1, 2, 3)"), six), "ascontiguousarray"},
		{"a.npy", "", npyFile(dictOf("|O", "False", "(2, 3)"), six), "can hold programs"},
		{"a.npy", "", npyFile(dictOf(">f4", "False", "(2, 3)"), six), `">f4"`},
		{"a.npz", "", bomb, "said to grow"},
		{"a.npz", "", torn, "array"},
		{"a.npz", "", []byte("PK"), "zip"},
		{"a.npz", "", npzFile(map[string][]byte{"x.npy": npy("(2, 3)"), "y.npy": npy("(2, 3)")}), `one of its arrays ["x" "y"]`},
		{"a.npz", "../x", npzFile(map[string][]byte{"x.npy": npy("(2, 3)")}), "one of its arrays"},
		{"a.safetensors", "", []byte{1, 2}, "too short"},
		{"a.safetensors", "", binary.LittleEndian.AppendUint64(nil, math.MaxUint64), "is said to have"},
		{"a.safetensors", "", tensorFile(` {}`, six), "begin with {"},
		{"a.safetensors", "", tensorFile(`{"x":1}`, six), `tensor "x"`},
		{"a.safetensors", "", x(`{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]},"x":{"dtype":"F32","shape":[2,3],"data_offsets":[0,24]}`), "twice"},
		{"a.safetensors", "", x(`{"dtype":"F32","shape":[2,3],"data_offsets":[4,28]}`), "want [0, 24]"},
		{"a.safetensors", "", x(`{"dtype":"F32","shape":[2,2],"data_offsets":[0,24]}`), "want [0, 16]"},
		{"a.safetensors", "", x(`{"dtype":"F32","shape":[2,2],"data_offsets":[0,16]}`), "end at byte 16 of 24"},
		{"a.safetensors", "", x(`{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}`), "want [4, 28]"},
		{"a.safetensors", "", x(`{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,24]}`), "more than any file"},
		{"a.safetensors", "", x(`{"dtype":"F32","shape":[2,3],"data_offsets":[24,0]}`), "lies at"},
		{"a.safetensors", "", x(`{"dtype":"BF16","shape":[12],"data_offsets":[0,24]}`), "are BF16"},
		{"a.safetensors", "", x(`{"dtype":"Q4","shape":[12],"data_offsets":[0,24]}`), "unknown type"},
		{"a.safetensors", "", x(`{"dtype":"F32","shape":[6],"data_offsets":[0,24],"run":"x"}`), "unknown field"},
		{"a.safetensors", "", tensorFile(`{"x":{"dtype":"F32","shape":[6],"data_offsets":[0,24]}}{`, six), "follows"},
		{"model.pt", "", []byte("PK"), "can hold programs"},
		{"a.csv", "", nil, "want .npy"},
	} {
		got, err := readBytes(t, c.file, c.name, c.content)
		if err == nil || got != nil || !strings.Contains(err.Error(), c.says) || !strings.Contains(err.Error(), c.file) {
			t.Errorf("%s: got %v, %v, want an error with %q", c.file, got, err, c.says)
		}
	}
	if _, err := Read(filepath.Join(t.TempDir(), "none.npy"), ""); err == nil {
		t.Error("a file that is not there was read")
	}
}

// fuzz feeds a reader: it may refuse anything, but what it accepts has as many numbers as bytes.
func fuzz(f *testing.F, read func(content []byte) (array, error), seeds ...[]byte) {
	for _, s := range seeds {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		a, err := read(content)
		if err != nil {
			return
		}
		want, err := bytesOf(a.dims, a.number.size)
		if err != nil || int64(len(a.data)) != want {
			t.Fatalf("%d bytes for shape %v: %v", len(a.data), a.dims, err)
		}
		a.matrix()
	})
}

func FuzzNPY(f *testing.F) {
	fuzz(f, func(b []byte) (array, error) { return readNPY(bytes.NewReader(b), int64(len(b))) },
		npyFile(dictOf("<f4", "False", "(2, 3)"), make([]float32, 6)), npyFile(dictOf("|u1", "True", "(2, 3)"), make([]uint8, 6)),
		npyFile(dictOf("<f4", "False", "(4611686018427387904, 4)"), []float32{1}), npyFile(dictOf("<f8", "False", "()"), 1.0))
}

func FuzzNPZ(f *testing.F) {
	one := npyFile(dictOf("<f4", "False", "(2, 3)"), make([]float32, 6))
	fuzz(f, func(b []byte) (array, error) { return readNPZ(bytes.NewReader(b), int64(len(b)), "") },
		npzFile(map[string][]byte{"x.npy": one}), npzFile(map[string][]byte{"x.npy": one, "../y.npy": one}), []byte("PK\x05\x06"))
}

func FuzzSafetensors(f *testing.F) {
	fuzz(f, func(b []byte) (array, error) { return readSafetensors(bytes.NewReader(b), int64(len(b)), "") },
		tensorFile(`{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}`, []float32{1, 2}),
		tensorFile(`{"__metadata__":{},"x":{"dtype":"I64","shape":[],"data_offsets":[0,8]}}`, int64(1)), tensorFile(`{}`, 1.0))
}
