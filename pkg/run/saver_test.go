package run

import (
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/gomlx/gomlx/core/tensors"
	"github.com/gomlx/gomlx/ml/model"
)

// TestSaver: what is saved are the values at the call, whatever becomes of the store while they are written.
func TestSaver(t *testing.T) {
	dir := t.TempDir()
	var saver Saver
	if err := saver.Wait(); err != nil || saver.Failed() != nil {
		t.Errorf("without a save: %v", err)
	}
	for step := 1; step <= 5; step++ {
		s := store(t, float32(step))
		past := info{Losses: []float64{float64(step)}}
		if err := saver.Save(dir, s, step, past); err != nil {
			t.Fatal(err)
		}
		past.Losses[0] = -1
		for v := range s.IterVariables() {
			if v.Path() == "/score/output/weights" {
				if err := v.SetValue(tensors.FromValue([][]float32{{9, 9}, {9, 9}})); err != nil {
					t.Fatal(err)
				}
			}
			if v.Path() == "/score/hidden/weights" { // in place
				tensors.MustMutableFlatData(v.MustValue(), func(x []float64) { x[0] = 9 })
			}
		}
		if err := saver.Wait(); err != nil {
			t.Fatal(err)
		}
		got := model.NewStore()
		var read info
		if n, err := Load(dir, got, &read); err != nil || n != step || read.Losses[0] != float64(step) {
			t.Fatalf("step %d: %d, %+v, %v", step, n, read, err)
		}
		want := store(t, float32(step))
		save(t, t.TempDir(), want, 0) // which adds GoMLX's step counter
		sameStore(t, got, want)
	}
}

// TestSaverFails: the error of a save comes with the next look, once.
func TestSaverFails(t *testing.T) {
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	var saver Saver
	start := func(dir string) {
		t.Helper()
		if err := saver.Save(dir, store(t, 1), 1, nil); err != nil {
			t.Fatal(err)
		}
	}
	start(file)
	for deadline := time.Now().Add(10 * time.Second); ; time.Sleep(time.Millisecond) {
		if err := saver.Failed(); err != nil {
			break
		}
		if time.Now().After(deadline) {
			t.Fatal("no error")
		}
	}
	if err := saver.Wait(); err != nil {
		t.Errorf("the error came twice: %v", err)
	}
	start(file)
	if err := saver.Wait(); err == nil || !strings.Contains(err.Error(), file) {
		t.Errorf("got %v", err)
	}
	start(file)
	if saver.Save(t.TempDir(), store(t, 1), 2, nil) == nil {
		t.Error("the next save hid the error")
	}
	for _, bad := range []error{saver.Save(t.TempDir(), store(t, 1), 1, math.NaN()), saver.Save(t.TempDir(), store(t, 1), -1, nil)} {
		if bad == nil {
			bad = saver.Wait()
		}
		if bad == nil {
			t.Error("saved what cannot be")
		}
	}
}
