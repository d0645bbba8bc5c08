package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"
)

func TestMain(m *testing.M) { testscript.Main(m, map[string]func(){"scoresde": main}) }

// TestScripts runs the program in environments made for it: a repository where everything is installed, as far as the
// doctor looks, from which each script takes something away. TOOLS is a PATH with nothing but the program.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{Dir: "testdata/script", Setup: func(env *testscript.Env) error {
		root := filepath.Join(env.WorkDir, "repo")
		tools, _, _ := strings.Cut(env.Getenv("PATH"), string(os.PathListSeparator))
		env.Setenv("TOOLS", tools)
		env.Setenv("HOME", env.WorkDir)
		env.Setenv("SCORESDE_ROOT", root)
		env.Setenv("SCORESDE_BACKEND", "go")
		return installed(root)
	}})
}

// installed makes what the doctor looks for.
func installed(root string) error {
	for path, content := range map[string]string{
		".venv/bin/python": "",
		".venv/lib/python3.99/site-packages/jupyterlab-9.8.7.dist-info/METADATA": "",
		".venv/lib/python3.99/site-packages/nbconvert-6.5.4.dist-info/METADATA":  "",
		".venv/share/jupyter/kernels/gonb/kernel.json": fmt.Sprintf(
			`{"argv": [%q, "--kernel"], "env": {"SCORESDE_ROOT": %q, "GOEXPERIMENT": "simd"}}`, filepath.Join(root, "bin/gonb"), root),
		"bin/gonb":      "",
		"bin/goimports": "",
	} {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(file, []byte(content), 0o755); err != nil {
			return err
		}
	}
	return nil
}
