package run

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// TestEveryByte is row 18 of the list of faults: a flipped bit in every k-th byte of every file, and a cut at as many
// lengths, is found out, with the name of the file, and the older checkpoint is loaded as a whole.
func TestEveryByte(t *testing.T) {
	dir := t.TempDir()
	older := store(t, 1)
	save(t, dir, older, 1)
	save(t, dir, store(t, 2), 2)
	newest := filepath.Join(dir, "step-000000002")
	count := 0
	for _, file := range visible(t, newest) {
		path := filepath.Join(newest, file)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for at := 0; at < len(whole); at += 1 + len(whole)/60 {
			flipped := bytes.Clone(whole)
			flipped[at] ^= 1 << (at % 8)
			for name, blob := range map[string][]byte{"flipped": flipped, "cut": whole[:at]} {
				if err := os.WriteFile(path, blob, 0o644); err != nil {
					t.Fatal(err)
				}
				got := model.NewStore()
				text := stderr(t, func() {
					if step, err := Load(dir, got, nil); err != nil || step != 1 {
						t.Fatalf("%s %s at %d: step %d, %v", file, name, at, step, err)
					}
				})
				sameStore(t, got, older)
				// A damaged list of checksums blames the first file that it lists otherwise.
				if strings.Count(text, "\n") != 1 || !strings.Contains(text, "step-000000002") || file != sumsFile && !strings.Contains(text, file) {
					t.Errorf("%s %s at %d: stderr %q", file, name, at, text)
				}
				count++
			}
		}
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	t.Logf("%d damages", count)
}

// TestStoredCheckpoints is row 19 of the list of faults for checkpoints: those in testdata, one in each format that was
// ever written, load with every bit.
func TestStoredCheckpoints(t *testing.T) {
	want := store(t, 1)
	save(t, t.TempDir(), want, 0) // which adds GoMLX's step counter
	for dir, step := range map[string]int{"compressed": 4, "uncompressed": 12} {
		got := model.NewStore()
		var past info
		if n, err := Load(filepath.Join("testdata", dir), got, &past); err != nil || n != step || past.Note != "a" {
			t.Errorf("%s: step %d, %+v, %v", dir, n, past, err)
			continue
		}
		sameStore(t, got, want)
	}
}

// forged writes a checkpoint with right checksums, whatever its files hold.
func forged(t *testing.T, state, layout, bin []byte) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "step-000000001")
	if err := os.Mkdir(dir, 0o755); err != nil {
		t.Fatal(err)
	}
	for name, blob := range map[string][]byte{stateFile: state, "checkpoint-x.json": layout, "checkpoint-x.bin": bin} {
		if err := os.WriteFile(filepath.Join(dir, name), blob, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	sums, err := checksums(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, sumsFile), sums, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

const oneVariable = `{"step":1,"variables":[{"path":"/w","trainable":true}]}`

// hostile are descriptions of variables that do not belong to 8 bytes, each the case of a reader that believed it.
var hostile = map[string]string{
	"negative dimension":    `{"Variables":[{"ParameterName":"var:/w","Dimensions":[-1],"DType":"Float32","Pos":0,"Length":8}]}`,
	"two negative":          `{"Variables":[{"ParameterName":"var:/w","Dimensions":[-2,-1],"DType":"Float32","Pos":0,"Length":8}]}`,
	"2^40 numbers":          `{"Variables":[{"ParameterName":"var:/w","Dimensions":[1099511627776],"DType":"Float32","Pos":0,"Length":4398046511104}]}`,
	"product overflows":     `{"Variables":[{"ParameterName":"var:/w","Dimensions":[4611686018427387904,4],"DType":"Float32","Pos":0,"Length":0}]}`,
	"length of another":     `{"Variables":[{"ParameterName":"var:/w","Dimensions":[1],"DType":"Float32","Pos":0,"Length":8}]}`,
	"negative length":       `{"Variables":[{"ParameterName":"var:/w","Dimensions":[2],"DType":"Float32","Pos":0,"Length":-8}]}`,
	"hole":                  `{"Variables":[{"ParameterName":"var:/w","Dimensions":[1],"DType":"Float32","Pos":4,"Length":4}]}`,
	"overlap":               `{"Variables":[{"ParameterName":"var:/w","Dimensions":[2],"DType":"Float32","Pos":0,"Length":8},{"ParameterName":"var:/v","Dimensions":[2],"DType":"Float32","Pos":0,"Length":8}]}`,
	"too few bytes":         `{"Variables":[{"ParameterName":"var:/w","Dimensions":[3],"DType":"Float32","Pos":0,"Length":12}]}`,
	"bytes too many":        `{"Variables":[{"ParameterName":"var:/w","Dimensions":[1],"DType":"Float32","Pos":0,"Length":4}]}`,
	"no type":               `{"Variables":[{"ParameterName":"var:/w","Dimensions":[2],"Pos":0,"Length":8}]}`,
	"unknown type":          `{"Variables":[{"ParameterName":"var:/w","Dimensions":[2],"DType":9999,"Pos":0,"Length":8}]}`,
	"rank 17":               `{"Variables":[{"ParameterName":"var:/w","Dimensions":[1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,1,2],"DType":"Float32","Pos":0,"Length":8}]}`,
	"null":                  `null`,
	"another name":          `{"Variables":[{"ParameterName":"var:/v","Dimensions":[2],"DType":"Float32","Pos":0,"Length":8}]}`,
	"the name twice":        `{"Variables":[{"ParameterName":"var:/w","Dimensions":[1],"DType":"Float32","Pos":0,"Length":4},{"ParameterName":"var:/w","Dimensions":[1],"DType":"Float32","Pos":4,"Length":4}]}`,
	"0 dimension, 2^62 too": `{"Variables":[{"ParameterName":"var:/w","Dimensions":[0,4611686018427387904],"DType":"Float32","Pos":0,"Length":0}]}`,
}

const honest = `{"Variables":[{"ParameterName":"var:/w","Dimensions":[2],"DType":"Float32","Pos":0,"Length":8}],"BinFormat":"uncompressed"}`

// TestHostileLayout: checksums do not help against a file that was made so.
func TestHostileLayout(t *testing.T) {
	bin := []byte{0, 0, 128, 63, 0, 0, 0, 64}
	if _, values, err := read(forged(t, []byte(oneVariable), []byte(honest), bin)); err != nil || !slices.Equal(tensors.MustCopyFlatData[float32](values[0]), []float32{1, 2}) {
		t.Fatalf("an honest one: %v", err)
	}
	for name, l := range hostile {
		if state, values, err := read(forged(t, []byte(oneVariable), []byte(l), bin)); err == nil {
			t.Errorf("%s was read: %+v, %v", name, state, values)
		}
	}
	if _, _, err := read(forged(t, []byte(`{"step":-1,"variables":[{"path":"/w"}]}`), []byte(honest), bin)); err == nil {
		t.Error("step -1 was read")
	}
}

// FuzzCheckpoint: a checkpoint with right checksums is refused or has exactly the variables that its state.json names,
// with no more bytes than are there.
func FuzzCheckpoint(f *testing.F) {
	bin := []byte{0, 0, 128, 63, 0, 0, 0, 64}
	f.Add([]byte(oneVariable), []byte(honest), bin)
	for _, l := range hostile {
		f.Add([]byte(oneVariable), []byte(l), bin)
	}
	f.Add([]byte(`{"step":1,"variables":[]}`), []byte(`{}`), []byte{})
	f.Add([]byte(`{"step":1e9,"variables":[{"path":""}]`), []byte(honest), bin)
	f.Add([]byte(oneVariable), []byte(honest), []byte("gomlx_checkpointss\x04gzip\x1f\x8b\x08"))
	f.Fuzz(func(t *testing.T, state, layout, bin []byte) {
		s, values, err := read(forged(t, state, layout, bin))
		if err != nil {
			return
		}
		if len(values) != len(s.Variables) || s.Step < 0 {
			t.Fatalf("%d values for %d variables of step %d", len(values), len(s.Variables), s.Step)
		}
		total := 0
		for _, v := range values {
			total += int(v.Shape().ByteSize())
		}
		if total > gzipRatio*len(bin) {
			t.Fatalf("%d bytes from %d", total, len(bin))
		}
	})
}
