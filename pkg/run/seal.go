package run

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// sumsFile lists the checksums of all other files of a checkpoint, in the format of sha256sum.
const sumsFile = "SHA256SUMS"

// seal writes the checksums of the files in dir and brings everything to the disk that is not there yet.
func seal(dir string) error {
	sums, err := checksums(dir)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if e.Name() == stateFile {
			continue // by writeSynced
		}
		if err := syncPath(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	if err := writeSynced(filepath.Join(dir, sumsFile), sums); err != nil {
		return err
	}
	return syncPath(dir)
}

// writeSynced makes a file and brings it to the disk.
func writeSynced(path string, blob []byte) error {
	f, err := os.Create(path)
	if err != nil {
		return err
	}
	_, err = f.Write(blob)
	return errors.Join(err, f.Sync(), f.Close())
}

// verify compares the files in dir to their checksums, and names one that differs.
func verify(dir string) error {
	want, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return err
	}
	got, err := checksums(dir)
	if err != nil {
		return err
	}
	if bytes.Equal(got, want) {
		return nil
	}
	saved := map[string]bool{}
	for line := range strings.Lines(string(want)) {
		saved[line] = true
	}
	for line := range strings.Lines(string(got)) {
		if !saved[line] {
			_, name, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "  ")
			return fmt.Errorf("%s does not have the checksum that it was saved with", name)
		}
	}
	return fmt.Errorf("a file of %s is missing", sumsFile)
}

// checksums covers every file of dir but the list itself, in the order of their names.
func checksums(dir string) ([]byte, error) {
	entries, err := os.ReadDir(dir)
	if err != nil {
		return nil, err
	}
	var list bytes.Buffer
	for _, e := range entries {
		if e.Name() == sumsFile {
			continue
		}
		blob, err := os.ReadFile(filepath.Join(dir, e.Name()))
		if err != nil {
			return nil, err
		}
		fmt.Fprintf(&list, "%x  %s\n", sha256.Sum256(blob), e.Name())
	}
	return list.Bytes(), nil
}

// syncPath brings a file or folder to the disk.
func syncPath(path string) error {
	f, err := os.Open(path)
	if err != nil {
		return err
	}
	return errors.Join(f.Sync(), f.Close())
}
