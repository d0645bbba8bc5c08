package fig

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"gonum.org/v1/gonum/mat"

	"github.com/scoresde/scoresde/pkg/dataset"
)

// testNotebook is a notebook in a temporary results folder, outside any kernel.
func testNotebook(t *testing.T) *Notebook {
	t.Helper()
	t.Setenv("SCORESDE_RESULTS", t.TempDir())
	t.Setenv("SCORESDE_BUDGET", "quick")
	t.Setenv("GONB_TMP_DIR", "")
	nb, err := open("000b_test")
	if err != nil {
		t.Fatal(err)
	}
	return nb
}

func wantError(t *testing.T, err error, part string) {
	t.Helper()
	if err == nil || !strings.Contains(err.Error(), part) {
		t.Errorf("error %v, want one that says %q", err, part)
	}
}

func TestResultsFolder(t *testing.T) {
	root := t.TempDir()
	sub := filepath.Join(root, "notebooks", "deep")
	if err := os.MkdirAll(sub, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SCORESDE_RESULTS", "")
	t.Setenv("SCORESDE_ROOT", "")
	t.Setenv("SCORESDE_BUDGET", "")
	t.Chdir(sub)
	if err := os.WriteFile(filepath.Join(root, "go.mod"), []byte("module github.com/scoresde/scoresde\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	nb, err := open("x")
	if err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(root, "results", "x"); !sameFile(t, nb.Dir(), want) || nb.budget != "full" {
		t.Errorf("folder %s budget %s, want %s full", nb.Dir(), nb.budget, want)
	}
	t.Setenv("SCORESDE_ROOT", filepath.Join(root, "other"))
	if nb, err = open("x"); err != nil || nb.Dir() != filepath.Join(root, "other", "results", "x") {
		t.Errorf("SCORESDE_ROOT is not followed: %v, %v", nb, err)
	}
	t.Setenv("SCORESDE_RESULTS", filepath.Join(root, "out"))
	if nb, err = open("x"); err != nil || nb.Dir() != filepath.Join(root, "out", "x") {
		t.Errorf("SCORESDE_RESULTS is not followed: %v, %v", nb, err)
	}
	if left, _ := os.ReadDir(nb.Dir()); len(left) != 0 {
		t.Errorf("Open leaves %v behind, want an empty folder", left)
	}
}

func sameFile(t *testing.T, a, b string) bool {
	t.Helper()
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

func TestOpenErrors(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SCORESDE_RESULTS", dir)
	t.Setenv("SCORESDE_BUDGET", "huge")
	_, err := open("x")
	wantError(t, err, `SCORESDE_BUDGET="huge", want "quick" or "full"`)
	t.Setenv("SCORESDE_BUDGET", "full")
	for _, name := range []string{"", "a/b", "..", "-x", "a b"} {
		_, err = open(name)
		wantError(t, err, "notebook name")
	}
	// A file in place of the folder cannot be written to, not even by root.
	blocked := filepath.Join(dir, "blocked")
	if err := os.WriteFile(blocked, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SCORESDE_RESULTS", blocked)
	_, err = open("x")
	wantError(t, err, "SCORESDE_RESULTS")
}

func TestReadOnlyFolder(t *testing.T) {
	if os.Geteuid() == 0 {
		t.Skip("root may write to read-only folders")
	}
	dir := filepath.Join(t.TempDir(), "x")
	if err := os.Mkdir(dir, 0o555); err != nil {
		t.Fatal(err)
	}
	t.Setenv("SCORESDE_RESULTS", filepath.Dir(dir))
	_, err := open("x")
	wantError(t, err, "cannot be written to")
}

func TestPick(t *testing.T) {
	for env, want := range map[string]int{"quick": 1, "full": 2, "": 2} {
		t.Setenv("SCORESDE_BUDGET", env)
		if got := Pick(1, 2); got != want || Quick() != (want == 1) {
			t.Errorf("budget %q: Pick(1, 2) = %d, want %d", env, got, want)
		}
	}
	t.Setenv("SCORESDE_BUDGET", "fast")
	defer func() {
		if r := recover(); r == nil {
			t.Error("Pick accepts the budget \"fast\"")
		}
	}()
	Pick(1, 2)
}

// The expected bytes are spelt out as the NPY format describes them.
func TestSamplesFile(t *testing.T) {
	nb := testNotebook(t)
	x := mat.NewDense(2, 3, []float64{1, -2, 0.5, 0.1, 1e10, 0})
	if err := nb.saveSamples("reverse_exact", x); err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile(filepath.Join(nb.Dir(), "samples", "reverse_exact.npy"))
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.HasPrefix(got, []byte("\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, 'shape': (2, 3), } ")) {
		t.Errorf("header %q", got[:min(80, len(got))])
	}
	if got[127] != '\n' || len(got) != 128+4*6 {
		t.Errorf("%d bytes, header ends with %q, want 152 and a line feed at 127", len(got), got[127])
	}
	// IEEE 754 single precision: 1, -2, .5, .1, 1e10, 0.
	want := "\x00\x00\x80\x3f\x00\x00\x00\xc0\x00\x00\x00\x3f\xcd\xcc\xcc\x3d\xf9\x02\x15\x50\x00\x00\x00\x00"
	if string(got[128:]) != want {
		t.Errorf("data % x, want % x", got[128:], want)
	}
	back, err := dataset.Read(filepath.Join(nb.Dir(), "samples", "reverse_exact.npy"), "")
	if err != nil || !mat.EqualApprox(back, x, 1e-7) {
		t.Errorf("it reads back as %v, %v", back, err)
	}
	for _, d := range []int{1, 9, 10, 99, 100, 1000} { // the padding follows the length of the shape
		data, err := npy(mat.NewDense(1, d, nil))
		if err != nil || (len(data)-4*d)%64 != 0 || data[len(data)-4*d-1] != '\n' {
			t.Errorf("%d columns: %d bytes (%v), want the data at a multiple of 64", d, len(data), err)
		}
	}
	wantError(t, nb.saveSamples("empty", &mat.Dense{}), "[0, 0]")
	wantError(t, nb.saveSamples("a/b", x), "sample name")
}
