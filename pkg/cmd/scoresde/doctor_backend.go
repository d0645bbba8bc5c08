package main

import (
	"bufio"
	"bytes"
	"fmt"
	"net/textproto"
	"os"
	"path/filepath"
	"runtime"
	"strings"

	"github.com/gomlx/compute"
	"github.com/gomlx/go-xla/pjrt"

	"github.com/scoresde/scoresde/pkg/backend"
)

// examineBackend opens the backend and measures it.
func examineBackend() []finding {
	threads := finding{good, "threads", fmt.Sprintf("%d of %d cores", backend.Threads(), runtime.NumCPU()), ""}
	b, err := backend.Open()
	if err != nil {
		return []finding{{missing, "backend", err.Error(), "make setup, or unset SCORESDE_BACKEND and GOMLX_BACKEND"}, threads, examineGPU("")}
	}
	info := backend.Describe()
	found := []finding{{good, "backend", info.Name + " (" + info.Reason + ")", ""}}
	if info.Plugin == "" {
		found[0].state, found[0].fix = note, "make setup installs XLA for the CPU, which is several times faster"
	} else {
		found = append(found, plugin(info.Plugin))
	}
	return append(found, devices(b), threads, speed(b), examineGPU(info.Name))
}

// plugin tells where a plugin comes from and the version of the PJRT interface that it speaks.
func plugin(path string) finding {
	p, err := pjrt.GetPlugin(path) // loaded already: no second copy
	if err != nil {
		return finding{missing, "PJRT plugin", fmt.Sprintf("%s: %v", path, err), "make setup"}
	}
	major, minor := p.Version()
	return finding{good, "PJRT plugin", fmt.Sprintf("PJRT %d.%d, %s, %s", major, minor, origin(path), path), ""}
}

// origin names the Python package that a plugin belongs to, with its version and what it says of itself, as the metadata
// beside it have them.
func origin(path string) string {
	const unknown = "of no Python package"
	file, err := filepath.EvalSymlinks(path)
	if err != nil {
		return unknown
	}
	folder := filepath.Dir(file)
	found, err := filepath.Glob(folder + "-*.dist-info/METADATA") // no folder of packages has signs of patterns in its name
	if err != nil || len(found) != 1 {
		return unknown
	}
	data, err := os.ReadFile(found[0])
	if err != nil {
		return unknown
	}
	header, err := textproto.NewReader(bufio.NewReader(bytes.NewReader(data))).ReadMIMEHeader()
	if err != nil && len(header) == 0 {
		return unknown
	}
	return fmt.Sprintf("package %s %s (%s)", header.Get("Name"), header.Get("Version"), header.Get("Summary"))
}

func devices(b compute.Backend) finding {
	names := make([]string, b.NumDevices())
	for i := range names {
		names[i] = strings.TrimSpace(b.DeviceDescription(compute.DeviceNum(i)))
	}
	return finding{good, "devices", strings.Join(names, ", "), ""}
}

// speed is the best of a few runs of the reference products.
func speed(b compute.Backend) finding {
	g, err := newGEMM(b)
	if err != nil {
		return finding{missing, "GEMM", err.Error(), ""}
	}
	best := 0.0
	for range 3 {
		rate, err := g.rate()
		if err != nil {
			return finding{missing, "GEMM", err.Error(), ""}
		}
		best = max(best, rate)
	}
	return finding{good, "GEMM", fmt.Sprintf("%.3g GFLOP/s, float32 [%d,%d] x [%d,%d]", best, gemmRows, gemmWidth, gemmWidth, gemmWidth), ""}
}

// examineGPU compares the NVIDIA devices with the backend in use.
func examineGPU(backendName string) finding {
	found := gpus()
	switch {
	case len(found) == 0:
		return finding{good, "NVIDIA", "no device", ""}
	case backendName == "xla:cuda":
		return finding{good, "NVIDIA", strings.Join(found, ", "), ""}
	}
	return finding{note, "NVIDIA", strings.Join(found, ", ") + " not in use", "make gpu installs XLA for CUDA"}
}
