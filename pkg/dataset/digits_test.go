package dataset

import (
	"bytes"
	"crypto/sha256"
	"encoding/csv"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/run"
)

// TestDigits: shape, range, the class counts that the publishers state, and the sum of the pixels as awk adds them up.
func TestDigits(t *testing.T) {
	l, err := Digits()
	if err != nil {
		t.Fatal(err)
	}
	if n, d := l.X.Dims(); n != 1797 || d != 64 || len(l.Labels) != n {
		t.Fatalf("got %d x %d with %d labels", n, d, len(l.Labels))
	}
	if lo, hi := mat.Min(l.X), mat.Max(l.X); lo != 0 || hi != 16 {
		t.Errorf("values from %g to %g, want 0 to 16", lo, hi)
	}
	counts := make([]int, 10)
	for _, y := range l.Labels {
		counts[y]++
	}
	if want := []int{178, 182, 177, 183, 181, 182, 181, 179, 174, 180}; !slices.Equal(counts, want) {
		t.Errorf("classes %v, want %v", counts, want)
	}
	if got, want := mat.Sum(l.X), 561718.0; got != want {
		t.Errorf("sum of the pixels %g, want %g", got, want)
	}
	first := []float64{0, 0, 5, 13, 9, 1, 0, 0, 0, 0, 13, 15, 10, 15, 5, 0}
	if got := l.X.RawRowView(0)[:16]; !slices.Equal(got, first) || l.Labels[0] != 0 {
		t.Errorf("the first image begins %v with label %d, want %v and 0", got, l.Labels[0], first)
	}
}

// TestDigitsFile: a file that is not the published one is refused, and the message says what to do.
func TestDigitsFile(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join(run.Root(), "data", filepath.FromSlash(digits.name)))
	if err != nil {
		t.Fatal(err)
	}
	flipped := bytes.Clone(whole)
	flipped[len(flipped)/2] ^= 1
	cases := []struct {
		name string
		blob []byte
		says []string
	}{
		{"missing", nil, []string{"optdigits.csv.gz", "missing", "SCORESDE_ROOT"}},
		{"flipped bit", flipped, []string{"damaged", digits.sum, "restore"}},
		{"truncated", whole[:len(whole)-100], []string{"damaged"}},
		{"empty", []byte{}, []string{"damaged"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			root := t.TempDir()
			t.Setenv("SCORESDE_ROOT", root)
			path := filepath.Join(root, "data", filepath.FromSlash(digits.name))
			if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
				t.Fatal(err)
			}
			if c.blob != nil {
				if err := os.WriteFile(path, c.blob, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			_, err := Digits()
			for _, says := range c.says {
				if err == nil || !strings.Contains(err.Error(), says) {
					t.Errorf("got %v, want an error that says %q", err, says)
				}
			}
		})
	}
}

// TestEveryByte is row 23 of the list of faults: a flipped bit in every k-th byte of the file, and a cut at as many
// lengths, as an interrupted copy leaves, stop the work; nothing of such a file is read.
func TestEveryByte(t *testing.T) {
	whole, err := os.ReadFile(filepath.Join(run.Root(), "data", filepath.FromSlash(digits.name)))
	if err != nil {
		t.Fatal(err)
	}
	root := t.TempDir()
	t.Setenv("SCORESDE_ROOT", root)
	path := filepath.Join(root, "data", filepath.FromSlash(digits.name))
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	for at := 0; at < len(whole); at += 1 + len(whole)/100 {
		flipped := bytes.Clone(whole)
		flipped[at] ^= 1 << (at % 8)
		for name, blob := range map[string][]byte{"flipped": flipped, "cut": whole[:at], "longer": append(bytes.Clone(whole), whole[:at+1]...)} {
			if err := os.WriteFile(path, blob, 0o644); err != nil {
				t.Fatal(err)
			}
			l, err := Digits()
			if err == nil || !strings.Contains(err.Error(), path) || !strings.Contains(err.Error(), "damaged") || l.X != nil {
				t.Fatalf("%s at byte %d: got %v", name, at, err)
			}
		}
	}
}

// TestNotGzip: a file that has its sum but holds no gzip stream is an error too.
func TestNotGzip(t *testing.T) {
	root := t.TempDir()
	t.Setenv("SCORESDE_ROOT", root)
	if err := os.MkdirAll(filepath.Join(root, "data"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "data", "text.gz"), []byte("text"), 0o644); err != nil {
		t.Fatal(err)
	}
	f := file{"text.gz", fmt.Sprintf("%x", sha256.Sum256([]byte("text")))}
	if _, err := f.open(); err == nil || !strings.Contains(err.Error(), "text.gz") {
		t.Errorf("got %v", err)
	}
}

// image is a row of the file whose pixels are v, with a class.
func image(v, class string) string { return strings.Repeat(v+",", digitsPixels) + class + "\n" }

// TestMalformedRows: what is not an image is refused with its line and column, counted from 1.
func TestMalformedRows(t *testing.T) {
	good := image("16", "9")
	cases := []struct{ name, text, says string }{
		{"empty", "", "no rows"},
		{"short row", good + "1,2,3\n", "line 2"},
		{"long row", good + "1," + good, "line 2"},
		{"cut", good + good[:40], "line 2"},
		{"too bright", good + good + image("17", "0"), `line 3, column 1 is "17", want an integer in 0..16`},
		{"negative", good + strings.Replace(good, "16", "-1", 1), `line 2, column 1 is "-1"`},
		{"fraction", image("0.5", "0"), `line 1, column 1 is "0.5"`},
		{"word", image("NaN", "0"), `line 1, column 1 is "NaN"`},
		{"nothing", image("", "0"), `line 1, column 1 is ""`},
		{"class", good + image("0", "10"), `line 2, column 65 is "10", want an integer in 0..9`},
		{"negative class", image("0", "-1"), `line 1, column 65 is "-1"`},
		{"quote", good + strings.Replace(good, "16", `1"6`, 1), "line 2"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			if _, err := readDigits(strings.NewReader(c.text)); err == nil || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want an error that says %q", err, c.says)
			}
		})
	}
}

// FuzzReadDigits: any text is either refused or becomes images in their range that survive being written and read.
func FuzzReadDigits(f *testing.F) {
	for _, text := range []string{"", image("3", "4"), image("16", "9") + image("0", "0"), image("17", "0"), "1,2\n", `"` + image("1", "1")} {
		f.Add(text)
	}
	f.Fuzz(func(t *testing.T, text string) {
		l, err := readDigits(strings.NewReader(text))
		if err != nil {
			return
		}
		n, d := l.X.Dims()
		if n == 0 || n != len(l.Labels) || d != digitsPixels || mat.Min(l.X) < 0 || mat.Max(l.X) > 16 || slices.Min(l.Labels) < 0 || slices.Max(l.Labels) > 9 {
			t.Fatalf("accepted %d x %d, values %g to %g, labels %v", n, d, mat.Min(l.X), mat.Max(l.X), l.Labels)
		}
		again, err := readDigits(strings.NewReader(written(l)))
		if err != nil || !mat.Equal(again.X, l.X) || !slices.Equal(again.Labels, l.Labels) {
			t.Fatalf("read back with error %v and other numbers", err)
		}
	})
}

func written(l Labelled) string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	for i, y := range l.Labels {
		var fields []string
		for _, v := range l.X.RawRowView(i) {
			fields = append(fields, strconv.Itoa(int(v)))
		}
		w.Write(append(fields, strconv.Itoa(y))) // a Builder does not fail
	}
	w.Flush()
	return b.String()
}
