package run

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
)

// sumsFile lists the checksums of all other files of a checkpoint, in the format of sha256sum.
const sumsFile = "SHA256SUMS"

// seal writes the checksums of the files in dir and brings everything to the disk.
func seal(dir string) error {
	sums, err := checksums(dir)
	if err != nil {
		return err
	}
	if err := os.WriteFile(filepath.Join(dir, sumsFile), sums, 0o644); err != nil {
		return err
	}
	entries, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	for _, e := range entries {
		if err := syncPath(filepath.Join(dir, e.Name())); err != nil {
			return err
		}
	}
	return syncPath(dir)
}

// verify compares the files in dir to their checksums.
func verify(dir string) error {
	want, err := os.ReadFile(filepath.Join(dir, sumsFile))
	if err != nil {
		return err
	}
	got, err := checksums(dir)
	if err != nil {
		return err
	}
	if !bytes.Equal(got, want) {
		return errors.New("its files do not have the checksums that they were saved with")
	}
	return nil
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
