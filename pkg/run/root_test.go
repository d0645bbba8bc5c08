package run

import (
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
)

func TestRoot(t *testing.T) {
	t.Setenv("SCORESDE_ROOT", "")
	top, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	deep := filepath.Join(top, "notebooks", "deep")
	if err := os.MkdirAll(deep, 0o755); err != nil {
		t.Fatal(err)
	}
	t.Chdir(deep)
	if got := Root(); got != deep {
		t.Errorf("without a go.mod: %s, want the working folder %s", got, deep)
	}
	if err := os.WriteFile(filepath.Join(top, "go.mod"), []byte("module x\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	if got := Root(); got != top {
		t.Errorf("below a go.mod: %s, want %s", got, top)
	}
	t.Setenv("SCORESDE_ROOT", "/elsewhere")
	if got := Root(); got != "/elsewhere" {
		t.Errorf("SCORESDE_ROOT: %s", got)
	}
}

// TestResults: where results go, and that a program of another module has none in its own folders.
func TestResults(t *testing.T) {
	t.Setenv("SCORESDE_ROOT", "/lab")
	for set, want := range map[string]string{"": "/lab/results", "/mnt/out": "/mnt/out", "other/place": "/lab/other/place"} {
		t.Setenv("SCORESDE_RESULTS", set)
		if got := Results(); got != want {
			t.Errorf("SCORESDE_RESULTS=%q: %s, want %s", set, got, want)
		}
	}
	t.Setenv("SCORESDE_ROOT", "")
	t.Setenv("SCORESDE_RESULTS", "")
	t.Setenv("XDG_CACHE_HOME", "/cache")
	dir := t.TempDir()
	t.Chdir(dir)
	for module, want := range map[string]string{
		"module example.com/mine\n": "/cache/scoresde/results", "": "/cache/scoresde/results",
		"module github.com/scoresde/scoresde\n\ngo 1.26\n": filepath.Join(dir, "results"),
	} {
		if err := os.WriteFile("go.mod", []byte(module), 0o644); err != nil {
			t.Fatal(err)
		}
		if got := Results(); got != want {
			t.Errorf("in a module that says %q: %s, want %s", module, got, want)
		}
	}
}

func TestFolder(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := Folder(dir); err != nil {
		t.Fatal(err)
	}
	if names := visible(t, dir); len(names) != 0 {
		t.Errorf("Folder left %v", names)
	}
	file := filepath.Join(dir, "file")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, bad := range []string{file, filepath.Join(file, "below")} {
		if err := Folder(bad); err == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("Folder(%s) on a file: %v", bad, err)
		}
		if err := Save(bad, store(t, 1), 1, nil); err == nil {
			t.Errorf("Save(%s) on a file succeeded", bad)
		}
	}
}

func TestContextEndsOnSignal(t *testing.T) {
	for _, signal := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM} {
		ctx := Context()
		if err := syscall.Kill(syscall.Getpid(), signal); err != nil {
			t.Fatal(err)
		}
		<-ctx.Done()
	}
}
