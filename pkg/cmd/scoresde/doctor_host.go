package main

import (
	"os/exec"
	"path/filepath"
	"runtime"

	"github.com/scoresde/scoresde/pkg/run"
)

// examineGo looks at the tools that build a notebook's cells, and at this program.
func examineGo() []finding {
	experiment := finding{good, "GOEXPERIMENT", "simd", ""}
	if !simd {
		experiment = finding{note, "GOEXPERIMENT", "built without simd: matrix products of the Go backend are about ten times slower",
			"export GOEXPERIMENT=simd, or use make, which sets it"}
	}
	return []finding{
		tool("Go", "go", runtime.Version()+" "+runtime.GOOS+"/"+runtime.GOARCH, "install Go from https://go.dev/dl and put its bin folder into PATH"),
		experiment,
		tool("C compiler", "cc", "", "install gcc or clang; cells call XLA through C"),
	}
}

// tool finds a program in PATH. Its path stands for the value where there is none.
func tool(item, name, value, fix string) finding {
	path, err := exec.LookPath(name)
	if err != nil {
		return finding{missing, item, name + " is not in PATH", fix}
	}
	if value == "" {
		value = path
	}
	return finding{good, item, value, ""}
}

// examineResults makes sure that notebooks can leave their results.
func examineResults() finding {
	dir := run.Results()
	if err := run.Folder(dir); err != nil {
		return finding{missing, "results", err.Error(), "set SCORESDE_RESULTS to a folder that can be written to"}
	}
	return finding{good, "results", dir, ""}
}

// gpus lists the NVIDIA devices of this machine.
func gpus() []string {
	devices, _ := filepath.Glob("/dev/nvidia[0-9]*") // the pattern is well-formed
	return devices
}
