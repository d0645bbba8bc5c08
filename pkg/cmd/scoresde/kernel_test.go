package main

import (
	"os"
	"path/filepath"
	"testing"
)

// FuzzKernel: a kernel.json of any content leads to a finding; one that is good names a program and this repository.
func FuzzKernel(f *testing.F) {
	for _, text := range []string{"", "null", "{}", `{"argv":[]}`, `{"argv":["/bin/sh"],"env":{"SCORESDE_ROOT":"."}}`, `{"argv":[""],"env":null}`, `{"argv":"x"}`, `{"argv":["\u0000"]}`} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		root := t.TempDir()
		path := filepath.Join(root, ".venv/share/jupyter/kernels/gonb/kernel.json")
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
		if found := kernel(root); found.fix == "" { // this folder holds no programs
			t.Errorf("%q passes: %+v", text, found)
		}
	})
}
