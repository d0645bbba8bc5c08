package main

import (
	"debug/buildinfo"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/scoresde/scoresde/pkg/run"
)

const setUp = "make setup"

// examineJupyter looks at what `make setup` installs in the repository.
func examineJupyter() []finding {
	root := run.Root()
	found := []finding{{good, "repository", root, ""}}
	venv := filepath.Join(root, ".venv")
	if _, err := os.Stat(filepath.Join(venv, "bin/python")); err != nil {
		return append(found, finding{missing, "Python", "no .venv/bin/python", setUp}, kernel(root))
	}
	for _, name := range []string{"jupyterlab", "nbconvert"} {
		found = append(found, pythonPackage(venv, name))
	}
	return append(found, kernel(root))
}

// pythonPackage reads a version off the folder that pip leaves beside a package.
func pythonPackage(venv, name string) finding {
	folders, _ := filepath.Glob(filepath.Join(venv, "lib/python3*/site-packages", name+"-*.dist-info"))
	if len(folders) == 0 {
		return finding{missing, name, "not in .venv", setUp}
	}
	version := strings.TrimSuffix(strings.TrimPrefix(filepath.Base(folders[0]), name+"-"), ".dist-info")
	return finding{good, name, version, ""}
}

// kernel checks that Jupyter would find and start the Go kernel, for this repository and not for one that was moved.
func kernel(root string) finding {
	path := filepath.Join(root, ".venv/share/jupyter/kernels/gonb/kernel.json")
	bad := func(format string, args ...any) finding {
		return finding{missing, "kernel", fmt.Sprintf(format, args...), setUp}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		return bad("no kernel.json in .venv/share/jupyter/kernels/gonb")
	}
	var spec struct {
		Argv []string          `json:"argv"`
		Env  map[string]string `json:"env"`
	}
	if err := json.Unmarshal(data, &spec); err != nil || len(spec.Argv) == 0 {
		return bad("kernel.json is not a kernel: %v", err)
	}
	gonb := spec.Argv[0]
	if info, err := os.Stat(gonb); err != nil || info.Mode()&0o111 == 0 {
		return bad("kernel.json names %s, which is no program", gonb)
	}
	if home := spec.Env["SCORESDE_ROOT"]; !sameFolder(home, root) {
		return bad("kernel.json belongs to the repository %q", home)
	}
	if _, err := os.Stat(filepath.Join(root, "bin/goimports")); err != nil {
		return bad("gonb needs bin/goimports")
	}
	version := "unknown version"
	if info, err := buildinfo.ReadFile(gonb); err == nil {
		version = info.Main.Version
	}
	return finding{good, "kernel", fmt.Sprintf("gonb %s, GOEXPERIMENT=%s", version, spec.Env["GOEXPERIMENT"]), ""}
}

func sameFolder(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}
