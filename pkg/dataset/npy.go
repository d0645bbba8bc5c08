package dataset

import (
	"archive/zip"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"math"
	"regexp"
	"strconv"
	"strings"
)

const maxHeader = 64 << 10 // bytes of a header of numpy

// npyHeader is how numpy writes it.
var npyHeader = regexp.MustCompile(`^\{'descr': '([^']{1,32})', 'fortran_order': (True|False), 'shape': \(([0-9, ]{0,256})\), ?\} *\n?$`)

var npyNumbers = map[string]number{"<f4": float32s, "<f8": float64s, "<i4": int32s, "<i8": int64s, "|u1": uint8s}

// readNPY reads an array of numpy (format 1.0 to 3.0) of size bytes in all.
func readNPY(r io.Reader, size int64) (array, error) {
	start := make([]byte, 8)
	if _, err := io.ReadFull(r, start); err != nil || string(start[:6]) != "\x93NUMPY" || start[6] < 1 || start[6] > 3 {
		return array{}, errors.New("it does not begin as a .npy file does")
	}
	width := 2
	if start[6] > 1 {
		width = 4
	}
	length := make([]byte, 4)
	if _, err := io.ReadFull(r, length[:width]); err != nil {
		return array{}, fmt.Errorf("header: %w", err)
	}
	n := int64(binary.LittleEndian.Uint32(length))
	if n > maxHeader {
		return array{}, fmt.Errorf("its header has %d bytes, want at most %d", n, maxHeader)
	}
	header := make([]byte, n)
	if _, err := io.ReadFull(r, header); err != nil {
		return array{}, fmt.Errorf("header: %w", err)
	}
	a, err := parseNPYHeader(string(header))
	if err != nil {
		return array{}, err
	}
	want, err := bytesOf(a.dims, a.number.size)
	if err != nil {
		return array{}, err
	}
	if got := size - int64(8+width) - n; got != want {
		return array{}, fmt.Errorf("it has %d bytes of numbers, want the %d of shape %v", got, want, a.dims)
	}
	a.data = make([]byte, want)
	if _, err := io.ReadFull(r, a.data); err != nil {
		return array{}, fmt.Errorf("numbers: %w", err)
	}
	return a, nil
}

func parseNPYHeader(text string) (array, error) {
	found := npyHeader.FindStringSubmatch(text)
	if found == nil {
		return array{}, fmt.Errorf("its header is %.80q, want one as numpy writes it", text)
	}
	a := array{fortran: found[2] == "True"}
	var ok bool
	if a.number, ok = npyNumbers[found[1]]; !ok {
		reason := ""
		if strings.HasSuffix(found[1], "O") {
			reason = ": objects are pickled and can hold programs"
		}
		return array{}, fmt.Errorf("its numbers are %q, want <f4, <f8, <i4, <i8 or |u1%s", found[1], reason)
	}
	for part := range strings.SplitSeq(strings.TrimSuffix(strings.TrimSpace(found[3]), ","), ",") {
		if part = strings.TrimSpace(part); part == "" && found[3] == "" {
			break // a scalar
		}
		d, err := strconv.Atoi(part)
		if err != nil {
			return array{}, fmt.Errorf("its shape is (%s), want numbers separated by commas", found[3])
		}
		a.dims = append(a.dims, d)
	}
	if a.fortran && len(a.dims) > 2 {
		return array{}, fmt.Errorf("it has %d dimensions in Fortran's order, want at most 2; save it with numpy.ascontiguousarray", len(a.dims))
	}
	return a, nil
}

const (
	maxRatio    = 1100    // of deflate, which reaches 1032
	maxUnpacked = 4 << 30 // bytes
)

// readNPZ reads the array called name of an archive of numpy. Names are only compared, nothing is unpacked into files.
func readNPZ(r io.ReaderAt, size int64, name string) (array, error) {
	archive, err := zip.NewReader(r, size)
	if err != nil {
		return array{}, err
	}
	files := map[string]*zip.File{}
	var names []string
	for _, f := range archive.File {
		key, ok := strings.CutSuffix(f.Name, ".npy")
		if !ok {
			continue
		}
		if files[key] != nil {
			return array{}, fmt.Errorf("it holds two arrays called %q", key)
		}
		files[key] = f
		names = append(names, key)
	}
	if name, err = only(name, names); err != nil {
		return array{}, err
	}
	f := files[name]
	if got := f.UncompressedSize64; got > maxUnpacked || got > maxRatio*min(f.CompressedSize64, math.MaxUint64/maxRatio)+maxHeader {
		return array{}, fmt.Errorf("array %q is said to grow from %d to %d bytes, want at most %d times as many and %d", name, f.CompressedSize64, got, maxRatio, int64(maxUnpacked))
	}
	unpacked, err := f.Open()
	if err != nil {
		return array{}, fmt.Errorf("array %q: %w", name, err)
	}
	defer unpacked.Close()
	a, err := readNPY(unpacked, int64(f.UncompressedSize64))
	if err != nil {
		return array{}, fmt.Errorf("array %q: %w", name, err)
	}
	if n, err := io.Copy(io.Discard, io.LimitReader(unpacked, 1)); err != nil || n != 0 { // and with the end the checksum
		return array{}, errors.Join(fmt.Errorf("array %q does not end where its size says", name), err)
	}
	return a, nil
}
