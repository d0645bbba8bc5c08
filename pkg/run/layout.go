package run

import (
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"os"
	"path/filepath"
	"strings"

	"github.com/gomlx/compute/dtypes"
)

// layout is GoMLX's description of the variables in its binary file.
type layout struct {
	Variables []struct {
		ParameterName string
		Dimensions    []int
		DType         dtypes.DType
		Pos, Length   int // bytes
	}
}

const (
	maxLayout  = 64 << 20                 // bytes of the description
	maxRank    = 16                       // of a variable
	gzipMagic  = "gomlx_checkpointssgzip" // how a compressed file begins, but for one byte
	gzipRatio  = 1032                     // of lengths, which DEFLATE cannot exceed
	layoutGlob = "checkpoint*.json"
)

// checkLayout refuses what GoMLX's reader would take at its word, and allocate or panic for: shapes that do not belong to
// the bytes that are there.
func checkLayout(dir string) error {
	names, err := filepath.Glob(filepath.Join(escaped(dir), layoutGlob))
	if err != nil {
		return err
	}
	if len(names) != 1 {
		return fmt.Errorf("it has %d files %s, want one", len(names), layoutGlob)
	}
	blob, err := readSmall(names[0], maxLayout)
	if err != nil {
		return err
	}
	var l layout
	if err := json.Unmarshal(blob, &l); err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(names[0]), err)
	}
	total, err := l.bytes()
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(names[0]), err)
	}
	return checkBytes(strings.TrimSuffix(names[0], ".json")+".bin", total)
}

// escaped is a path for Glob that matches only itself.
func escaped(path string) string {
	return strings.NewReplacer(`\`, `\\`, `*`, `\*`, `?`, `\?`, `[`, `\[`).Replace(path)
}

// bytes is the number of bytes of all variables, which must lie one after another.
func (l layout) bytes() (int, error) {
	total, seen := 0, map[string]bool{}
	for _, v := range l.Variables {
		if seen[v.ParameterName] {
			return 0, fmt.Errorf("variable %q stands there twice", v.ParameterName)
		}
		seen[v.ParameterName] = true
		if !v.DType.IsSupported() || v.DType.IsPacked() || len(v.Dimensions) > maxRank {
			return 0, fmt.Errorf("variable %q is of type %v and rank %d", v.ParameterName, v.DType, len(v.Dimensions))
		}
		size := uint64(v.DType.Size())
		for _, d := range v.Dimensions {
			high, low := bits.Mul64(size, uint64(d))
			if d < 0 || high != 0 {
				return 0, fmt.Errorf("variable %q has the dimensions %v", v.ParameterName, v.Dimensions)
			}
			size = low
		}
		if v.Pos != total || v.Length < 0 || size != uint64(v.Length) || total+v.Length < total {
			return 0, fmt.Errorf("variable %q has the bytes %d to %d+%d, want %d from %d", v.ParameterName, v.Pos, v.Pos, v.Length, size, total)
		}
		total += v.Length
	}
	return total, nil
}

// checkBytes refuses a binary file that holds other than total bytes.
func checkBytes(path string, total int) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	defer f.Close()
	info, err := f.Stat()
	if err != nil {
		return err
	}
	magic := make([]byte, len(gzipMagic)+1)
	if n, _ := io.ReadFull(f, magic); n < len(magic) || !compressed(magic) {
		if info.Size() != int64(total) {
			return fmt.Errorf("%s has %d bytes, want %d", filepath.Base(path), info.Size(), total)
		}
		return nil
	}
	if int64(total)/gzipRatio > info.Size() {
		return fmt.Errorf("%s has %d bytes, which cannot hold %d", filepath.Base(path), info.Size(), total)
	}
	r, err := gzip.NewReader(f)
	if err != nil {
		return fmt.Errorf("%s: %w", filepath.Base(path), err)
	}
	n, err := io.Copy(io.Discard, io.LimitReader(r, int64(total)+1))
	if err == nil && n != int64(total) {
		err = errors.New("its length")
	}
	if err != nil {
		return fmt.Errorf("%s unpacks to %d bytes or more, want %d: %w", filepath.Base(path), n, total, err)
	}
	return nil
}

// compressed says that GoMLX takes a file that begins so for a compressed one: between the two words stands the length
// of the second.
func compressed(magic []byte) bool {
	word := len(gzipMagic) - len("gzip")
	return string(magic[:word])+string(magic[word+1:]) == gzipMagic && magic[word] == byte(len("gzip"))
}
