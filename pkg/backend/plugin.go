package backend

import (
	"debug/elf"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/scoresde/scoresde/pkg/run"
)

// searchPath lists the folders in which PJRT plugins are looked for. go-xla's own folders come first because what it
// installs there is newer than the wheel that `make setup` puts into the repository.
func searchPath() []string {
	var dirs []string
	if home, err := os.UserHomeDir(); err == nil {
		dirs = append(dirs, filepath.Join(home, ".local/lib/go-xla"), filepath.Join(home, ".local/lib/go-xla/nvidia"))
	}
	dirs = append(dirs, "/usr/local/lib/go-xla", "/usr/local/lib/go-xla/nvidia")
	for _, d := range filepath.SplitList(os.Getenv("PJRT_PLUGIN_LIBRARY_PATH")) {
		if d == "" {
			continue
		}
		if abs, err := filepath.Abs(d); err == nil { // go-xla takes a relative file for the name of a plugin
			dirs = append(dirs, abs)
		}
	}
	venv := filepath.Join(run.Root(), ".venv/lib/pjrt")
	return append(dirs, venv, filepath.Join(venv, "nvidia"))
}

// discover returns the plugin files for kind "cpu" or "cuda", best first. It only looks at names: go-xla's own search
// opens every file and dies on a broken one.
func discover(kind string) []string {
	var found []string
	for _, dir := range searchPath() {
		for _, pattern := range []string{"pjrt_c_api_" + kind + "*_plugin.so", "pjrt?plugin?" + kind + "*.so"} {
			files, _ := filepath.Glob(filepath.Join(dir, pattern)) // the patterns are well-formed
			found = append(found, files...)
		}
	}
	return found
}

// checkFile refuses files that the dynamic loader would choke on: a library cut short, as an interrupted copy leaves it,
// kills the process on the first page that is missing.
func checkFile(path string) error {
	if runtime.GOOS != "linux" {
		_, err := os.Stat(path)
		return err
	}
	f, err := elf.Open(path)
	if err != nil {
		return fmt.Errorf("not a readable shared library: %w", err)
	}
	defer f.Close()
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	for _, p := range f.Progs {
		if end := p.Off + p.Filesz; p.Type == elf.PT_LOAD && (end < p.Off || end > uint64(info.Size())) {
			return fmt.Errorf("not a readable shared library: cut short at %d bytes, want at least %d", info.Size(), end)
		}
	}
	return nil
}

// nameOf guesses the device of a plugin from its file name, as go-xla does.
func nameOf(path string) string {
	base := strings.ToLower(filepath.Base(path))
	switch {
	case strings.Contains(base, "cuda"), strings.Contains(base, "nvidia"):
		return "xla:cuda"
	case strings.Contains(base, "cpu"):
		return "xla:cpu"
	}
	return "xla:" + strings.TrimSuffix(base, ".so")
}

func hasNVIDIA() bool {
	devices, _ := filepath.Glob("/dev/nvidia[0-9]*")
	return len(devices) > 0
}
