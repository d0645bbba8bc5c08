package dataset

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	maxTensorHeader = 16 << 20 // bytes; the format allows 100 MB
	metadataKey     = "__metadata__"
)

// tensorSizes are the bytes of a number of each type; those in tensorNumbers can be read.
var tensorSizes = map[string]int{
	"BOOL": 1, "U8": 1, "I8": 1, "F8_E5M2": 1, "F8_E4M3": 1, "I16": 2, "U16": 2, "F16": 2, "BF16": 2,
	"I32": 4, "U32": 4, "F32": 4, "F64": 8, "I64": 8, "U64": 8,
}

var tensorNumbers = map[string]number{"F32": float32s, "F64": float64s, "I32": int32s, "I64": int64s, "U8": uint8s}

// tensor is an entry of the header.
type tensor struct {
	name    string
	Type    string   `json:"dtype"`
	Shape   []int    `json:"shape"`
	Offsets [2]int64 `json:"data_offsets"`
}

// readSafetensors reads the tensor called name of a safetensors file of size bytes. The whole header is checked: tensors
// follow one another without holes or overlaps and fill the file.
func readSafetensors(r io.ReaderAt, size int64, name string) (array, error) {
	start := make([]byte, 8)
	if _, err := r.ReadAt(start, 0); err != nil {
		return array{}, errors.New("it is too short for a .safetensors file")
	}
	n := binary.LittleEndian.Uint64(start)
	if n > maxTensorHeader || int64(n) > size-8 {
		return array{}, fmt.Errorf("its header is said to have %d bytes, want at most %d and those of the file, %d", n, maxTensorHeader, size-8)
	}
	header := make([]byte, n)
	if _, err := r.ReadAt(header, 8); err != nil {
		return array{}, fmt.Errorf("header: %w", err)
	}
	tensors, err := parseTensors(header)
	if err != nil {
		return array{}, fmt.Errorf("header: %w", err)
	}
	first := 8 + int64(n)
	if err := checkLayout(tensors, size-first); err != nil {
		return array{}, err
	}
	var names []string
	for _, t := range tensors {
		names = append(names, t.name)
	}
	if name, err = only(name, names); err != nil {
		return array{}, err
	}
	t := tensors[slices.IndexFunc(tensors, func(t tensor) bool { return t.name == name })]
	kind, ok := tensorNumbers[t.Type]
	if !ok {
		return array{}, fmt.Errorf("the numbers of %q are %s, want F32, F64, I32, I64 or U8", name, t.Type)
	}
	a := array{number: kind, dims: t.Shape, data: make([]byte, t.Offsets[1]-t.Offsets[0])}
	if _, err := r.ReadAt(a.data, first+t.Offsets[0]); err != nil {
		return array{}, fmt.Errorf("numbers of %q: %w", name, err)
	}
	return a, nil
}

// parseTensors reads the header token by token, since a decoder of maps would take the last of two equal names.
func parseTensors(header []byte) ([]tensor, error) {
	if len(header) == 0 || header[0] != '{' {
		return nil, errors.New("it does not begin with {")
	}
	decoder := json.NewDecoder(bytes.NewReader(header))
	decoder.DisallowUnknownFields()
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	var tensors []tensor
	seen := map[string]bool{}
	for decoder.More() {
		token, err := decoder.Token()
		if err != nil {
			return nil, err
		}
		name := token.(string) // a key: the decoder has checked it
		if seen[name] {
			return nil, fmt.Errorf("%q stands in it twice", name)
		}
		seen[name] = true
		if name == metadataKey {
			var metadata map[string]string
			if err := decoder.Decode(&metadata); err != nil {
				return nil, fmt.Errorf("%s: %w", metadataKey, err)
			}
			continue
		}
		t := tensor{name: name}
		if err := decoder.Decode(&t); err != nil {
			return nil, fmt.Errorf("tensor %q: %w", name, err)
		}
		tensors = append(tensors, t)
	}
	if _, err := decoder.Token(); err != nil {
		return nil, err
	}
	if len(bytes.TrimRight(header[decoder.InputOffset():], " ")) > 0 {
		return nil, errors.New("something follows its }")
	}
	return tensors, nil
}

// checkLayout wants tensors of the sizes of their shapes that fill the numbers of the file, of size bytes.
func checkLayout(tensors []tensor, size int64) error {
	inOrder := slices.SortedFunc(slices.Values(tensors), func(a, b tensor) int {
		return cmp.Or(cmp.Compare(a.Offsets[0], b.Offsets[0]), cmp.Compare(a.Offsets[1], b.Offsets[1]))
	})
	end := int64(0)
	for _, t := range inOrder {
		width, ok := tensorSizes[t.Type]
		if !ok {
			return fmt.Errorf("tensor %q has numbers of the unknown type %q", t.name, t.Type)
		}
		want, err := bytesOf(t.Shape, width)
		if err != nil {
			return fmt.Errorf("tensor %q: %w", t.name, err)
		}
		if t.Offsets[0] != end || t.Offsets[1] < end || t.Offsets[1]-end != want || t.Offsets[1] > size {
			return fmt.Errorf("tensor %q lies at %v, want [%d, %d] in the %d bytes of numbers", t.name, t.Offsets, end, end+want, size)
		}
		end = t.Offsets[1]
	}
	if end != size {
		return fmt.Errorf("its tensors end at byte %d of %d", end, size)
	}
	return nil
}
