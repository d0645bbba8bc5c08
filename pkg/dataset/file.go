package dataset

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/scoresde/scoresde/pkg/run"
)

// file is a gzip file of the repository with the SHA-256 of its compressed bytes, in hexadecimal digits.
type file struct {
	name string // under data of run.Root, with slashes
	sum  string
}

// open verifies the file as a whole and returns its decompressed bytes.
func (f file) open() (io.Reader, error) {
	path := filepath.Join(run.Root(), "data", filepath.FromSlash(f.name))
	blob, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("dataset: %s is missing; it is part of the repository: restore it from there, or set SCORESDE_ROOT to the repository's folder", path)
	}
	if err != nil {
		return nil, fmt.Errorf("dataset: %w", err)
	}
	if sum := fmt.Sprintf("%x", sha256.Sum256(blob)); sum != f.sum {
		return nil, fmt.Errorf("dataset: %s is damaged: its SHA-256 is %s, want %s; restore it from the repository", path, sum, f.sum)
	}
	r, err := gzip.NewReader(bytes.NewReader(blob))
	if err != nil {
		return nil, fmt.Errorf("dataset: %s: %w", path, err)
	}
	return r, nil
}
