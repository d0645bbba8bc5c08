package main

import (
	"os"
	"path/filepath"
	"testing"
)

// TestOrigin: the package of a plugin is found through a link, and nothing is made up where there is none.
func TestOrigin(t *testing.T) {
	dir := t.TempDir()
	write := func(path, text string) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	plugin, link := filepath.Join(dir, "some_cpu", "plugin.so"), filepath.Join(dir, "link.so")
	write(plugin, "")
	if err := os.Symlink(plugin, link); err != nil {
		t.Fatal(err)
	}
	for _, path := range []string{link, filepath.Join(dir, "missing.so")} {
		if got, want := origin(path), "of no Python package"; got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	write(filepath.Join(dir, "some_cpu-1.2.dist-info", "METADATA"), "Metadata-Version: 2.4\nName: some-cpu\nVersion: 1.2\nSummary: XLA for the CPU\n\nText: more\n")
	if got, want := origin(link), "package some-cpu 1.2 (XLA for the CPU)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
}
