package run

import (
	"errors"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/compute/dtypes"
	"github.com/gomlx/compute/shapes"
	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

type info struct {
	Note   string
	Losses []float64
}

// store holds one variable of every kind that training has, in an order that is not the alphabetical one.
func store(t *testing.T, first float32) *model.Store {
	t.Helper()
	s := model.NewStore()
	if err := s.SetRNGStateFromSeed(42); err != nil {
		t.Fatal(err)
	}
	for _, v := range []struct {
		path      string
		value     any
		trainable bool
	}{
		{"/score/output/weights", [][]float32{{first, float32(math.Pi)}, {-1e-38, 3e38}}, true},
		{"/score/hidden/weights", []float64{1.0 / 3, math.Inf(1), math.NaN()}, true},
		{"/adam/step", int64(7), false},
		{"/training/rng", []uint64{math.MaxUint64, 0, 1}, false},
		{"/flag", true, false},
	} {
		value, err := tensors.FromAnyValue(v.value)
		if err != nil {
			t.Fatal(err)
		}
		created, err := s.CreateVariable(v.path, value)
		if err != nil {
			t.Fatal(err)
		}
		created.SetTrainable(v.trainable)
	}
	return s
}

// sameStore compares variables bit by bit, with their flags and their order.
func sameStore(t *testing.T, got, want *model.Store) {
	t.Helper()
	list := func(s *model.Store) []*model.Variable { return slices.Collect(s.IterVariables()) }
	g, w := list(got), list(want)
	if len(g) != len(w) {
		t.Fatalf("%d variables, want %d", len(g), len(w))
	}
	for k := range w {
		if g[k].Path() != w[k].Path() || g[k].Trainable != w[k].Trainable || !g[k].Shape().Equal(w[k].Shape()) {
			t.Errorf("variable %d is %s %s trainable %v, want %s %s %v", k,
				g[k].Path(), g[k].Shape(), g[k].Trainable, w[k].Path(), w[k].Shape(), w[k].Trainable)
			continue
		}
		if !slices.Equal(raw(g[k]), raw(w[k])) {
			t.Errorf("%s differs in its bits", w[k].Path())
		}
	}
}

func raw(v *model.Variable) (data []byte) {
	if err := v.MustValue().ConstBytes(func(b []byte) { data = slices.Clone(b) }); err != nil {
		panic(err)
	}
	return data
}

func save(t *testing.T, dir string, s *model.Store, step int) {
	t.Helper()
	if err := Save(dir, s, step, info{Note: "a", Losses: []float64{1, 0.1}}); err != nil {
		t.Fatal(err)
	}
}

// stderr returns what f writes to standard error.
func stderr(t *testing.T, f func()) string {
	t.Helper()
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	old := os.Stderr
	os.Stderr = w
	f()
	os.Stderr = old
	w.Close()
	text, err := io.ReadAll(r)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func TestRoundTrip(t *testing.T) {
	dir := t.TempDir()
	want := store(t, 1)
	save(t, dir, want, 12)
	if want.Loader() != nil {
		t.Error("Save left a loader in the store")
	}
	got := model.NewStore()
	var past info
	step, err := Load(dir, got, &past)
	if err != nil || step != 12 || past.Note != "a" || !slices.Equal(past.Losses, []float64{1, 0.1}) {
		t.Fatalf("step %d, info %+v, error %v", step, past, err)
	}
	sameStore(t, got, want)
	if _, err := Load(dir, got, nil); err == nil {
		t.Error("Load filled a store that was not empty")
	}
	if _, err := Load(dir, model.NewStore(), nil); err != nil {
		t.Errorf("without info: %v", err)
	}
	var number int
	if _, err := Load(dir, model.NewStore(), &number); err == nil || !strings.Contains(err.Error(), "info") {
		t.Errorf("info of the wrong type: %v", err)
	}
}

func TestNothingToLoad(t *testing.T) {
	for _, dir := range []string{t.TempDir(), filepath.Join(t.TempDir(), "missing")} {
		s := model.NewStore()
		if _, err := Load(dir, s, nil); !errors.Is(err, ErrNoCheckpoint) || s.NumVariables() != 0 {
			t.Errorf("error %v, %d variables", err, s.NumVariables())
		}
	}
}

func TestSaveRefuses(t *testing.T) {
	dir := t.TempDir()
	if Save(dir, model.NewStore(), 1, nil) == nil {
		t.Error("saved an empty store")
	}
	if Save(dir, store(t, 1), -1, nil) == nil {
		t.Error("saved step -1")
	}
	if Save(dir, store(t, 1), 1, math.NaN()) == nil {
		t.Error("saved info that JSON cannot hold")
	}
	unset := model.NewStore()
	unset.VariableWithShape("/w", shapes.Make(dtypes.Float32, 2), nil)
	if err := Save(dir, unset, 1, nil); err == nil || !strings.Contains(err.Error(), "/w") {
		t.Errorf("saved a variable without a value: %v", err)
	}
	if names := visible(t, dir); len(names) != 0 {
		t.Errorf("failed saves left %v", names)
	}
}

func visible(t *testing.T, dir string) []string {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, e := range entries {
		names = append(names, e.Name())
	}
	return names
}

// TestPrune: two checkpoints stay, the newest ones; a second save of one step does not replace the first in place.
func TestPrune(t *testing.T) {
	dir := t.TempDir()
	for step := 8; step <= 11; step++ {
		save(t, dir, store(t, float32(step)), step)
	}
	if got, want := visible(t, dir), []string{"step-000000010", "step-000000011"}; !slices.Equal(got, want) {
		t.Errorf("left %v, want %v", got, want)
	}
	again := store(t, 99)
	save(t, dir, again, 11)
	got := model.NewStore()
	if step, err := Load(dir, got, nil); err != nil || step != 11 {
		t.Fatalf("step %d, %v", step, err)
	}
	sameStore(t, got, again)
	if names := visible(t, dir); len(names) != 2 || names[0] != "step-000000011" {
		t.Errorf("left %v", names)
	}
}

// TestDamage changes every file of the newest checkpoint in several ways; the older one must be loaded, whole, with one
// line on stderr, every time.
func TestDamage(t *testing.T) {
	flip := func(at func(n int) int) func([]byte) []byte {
		return func(b []byte) []byte {
			b = slices.Clone(b)
			b[at(len(b))] ^= 0x10
			return b
		}
	}
	damages := map[string]func([]byte) []byte{
		"empty":        func([]byte) []byte { return nil },
		"truncated":    func(b []byte) []byte { return b[:len(b)/2] },
		"short by one": func(b []byte) []byte { return b[:len(b)-1] },
		"garbage":      func(b []byte) []byte { return []byte("garbage") },
		"longer":       func(b []byte) []byte { return append(slices.Clone(b), 0) },
		"first bit":    flip(func(int) int { return 0 }),
		"last bit":     flip(func(n int) int { return n - 1 }),
		"removed":      nil,
	}
	for k := range 7 {
		damages["bit at "+string(rune('1'+k))+"/8"] = flip(func(n int) int { return (k + 1) * n / 8 })
	}
	dir := t.TempDir()
	older := store(t, 1)
	save(t, dir, older, 1)
	save(t, dir, store(t, 2), 2)
	newest := filepath.Join(dir, "step-000000002")
	files := visible(t, newest)
	if len(files) < 4 {
		t.Fatalf("a checkpoint holds %v", files)
	}
	for _, file := range files {
		path := filepath.Join(newest, file)
		whole, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for name, damage := range damages {
			os.Remove(path)
			if damage != nil {
				if err := os.WriteFile(path, damage(whole), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			got := model.NewStore()
			text := stderr(t, func() {
				if step, err := Load(dir, got, nil); err != nil || step != 1 {
					t.Errorf("%s %s: step %d, %v", file, name, step, err)
				}
			})
			sameStore(t, got, older)
			if strings.Count(text, "\n") != 1 || !strings.Contains(text, "step-000000002") {
				t.Errorf("%s %s: stderr %q, want one line with the name", file, name, text)
			}
		}
		if err := os.WriteFile(path, whole, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if step, err := Load(dir, model.NewStore(), nil); err != nil || step != 2 {
		t.Errorf("restored: step %d, %v", step, err)
	}
	if err := os.RemoveAll(filepath.Join(dir, "step-000000001")); err != nil {
		t.Fatal(err)
	}
	if err := os.Truncate(filepath.Join(newest, stateFile), 3); err != nil {
		t.Fatal(err)
	}
	stderr(t, func() {
		if _, err := Load(dir, model.NewStore(), nil); !errors.Is(err, ErrNoCheckpoint) {
			t.Errorf("all damaged: %v", err)
		}
	})
}

// TestSwappedFile: a file that is whole but belongs to another checkpoint is found out.
func TestSwappedFile(t *testing.T) {
	a, b := t.TempDir(), t.TempDir()
	save(t, a, store(t, 1), 5)
	save(t, b, store(t, 2), 5)
	from, to := filepath.Join(b, "step-000000005"), filepath.Join(a, "step-000000005")
	for _, name := range visible(t, from) {
		if filepath.Ext(name) == ".bin" {
			blob, err := os.ReadFile(filepath.Join(from, name))
			if err != nil {
				t.Fatal(err)
			}
			for _, old := range visible(t, to) {
				if filepath.Ext(old) == ".bin" {
					if err := os.WriteFile(filepath.Join(to, old), blob, 0o644); err != nil {
						t.Fatal(err)
					}
				}
			}
		}
	}
	stderr(t, func() {
		if _, err := Load(a, model.NewStore(), nil); !errors.Is(err, ErrNoCheckpoint) {
			t.Errorf("loaded a mixture of two checkpoints: %v", err)
		}
	})
}

// TestKilledSave: what a killed process leaves is not taken for a checkpoint, and goes away once it is old. A fresh
// temporary folder may belong to a process at work and stays.
func TestKilledSave(t *testing.T) {
	dir := t.TempDir()
	want := store(t, 1)
	save(t, dir, want, 1)
	old := filepath.Join(dir, tempPrefix+"old")
	fresh := filepath.Join(dir, tempPrefix+"fresh")
	probe := filepath.Join(dir, probePrefix+"old")
	for _, d := range []string{old, fresh} {
		if err := os.Mkdir(d, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(d, stateFile), []byte(`{"step": 99`), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.WriteFile(probe, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	past := time.Now().Add(-2 * staleAfter)
	for _, p := range []string{old, probe} {
		if err := os.Chtimes(p, past, past); err != nil {
			t.Fatal(err)
		}
	}
	got := model.NewStore()
	text := stderr(t, func() {
		if step, err := Load(dir, got, nil); err != nil || step != 1 {
			t.Errorf("step %d, %v", step, err)
		}
	})
	sameStore(t, got, want)
	if text != "" {
		t.Errorf("stderr: %q", text)
	}
	save(t, dir, want, 2)
	if names := visible(t, dir); !slices.Equal(names, []string{tempPrefix + "fresh", "step-000000001", "step-000000002"}) {
		t.Errorf("left %v", names)
	}
}
