// Package backend finds and opens the engine that executes GoMLX graphs: an XLA/PJRT plugin for CUDA or the CPU, or
// GoMLX's pure-Go engine, and says which one was taken and why.
package backend

import (
	"fmt"
	"os"
	"strings"
	"sync"

	"github.com/gomlx/compute"
	_ "github.com/gomlx/compute/gobackend" // registers "go"
	"github.com/gomlx/go-xla/compute/xla"
	"github.com/gomlx/go-xla/pjrt"
)

// goConfig lifts the limit on parallel operations: with any other setting the Go engine of compute v0.1.6
// dead-locks when many large products are ready at once. Operations run one after another, which makes graphs of small
// operations, the usual ones on this engine, two to six times as fast; large products still use all processors.
const goConfig = "go:parallelism=-1,ops_sequential"

// Info says what Open chose.
type Info struct {
	Name   string // "xla:cuda", "xla:cpu" or "go"
	Plugin string // absolute path of the PJRT plugin; empty for the Go engine
	Reason string // why this one, in a few words
}

type opened struct {
	backend compute.Backend
	info    Info
	err     error
}

var defaultBackend = sync.OnceValue(func() opened {
	b, info, err := open(os.Getenv, discover)
	return opened{b, info, err}
})

// Open returns the process's default backend, opened on the first call. The order is: the configuration in
// SCORESDE_BACKEND, else GOMLX_BACKEND (for example "go", "xla:cpu", "xla:cuda,tf32=false" or "xla:/abs/plugin.so"); a
// CUDA plugin if there is an NVIDIA device; a CPU plugin; the Go engine, with one line on stderr that it is slow.
// It never downloads anything. A plugin that cannot be loaded is an error with its path and cause.
func Open() (compute.Backend, error) {
	o := defaultBackend()
	return o.backend, o.err
}

// MustOpen is Open for notebook cells: it panics on an error.
func MustOpen() compute.Backend {
	b, err := Open()
	if err != nil {
		panic(err)
	}
	return b
}

// Describe returns what Open chose (the zero Info if it failed).
func Describe() Info { return defaultBackend().info }

// Go returns the pure-Go engine, opened once. Host tables, oracles in float64 and tests run on it.
var Go = sync.OnceValue(func() compute.Backend {
	b, err := newGo()
	if err != nil {
		panic(err) // it is part of this binary: failing to open it is a bug
	}
	return b
})

// OnDevice tells whether whole loops run on the backend inside one executable. The Go engine cannot run gradients
// inside a loop body, so there the host drives the steps.
func OnDevice(b compute.Backend) bool { return strings.HasPrefix(b.Name(), "xla") }

// IsCUDA tells whether the backend computes on an NVIDIA device.
func IsCUDA(b compute.Backend) bool {
	x, ok := b.(*xla.Backend)
	return ok && x.IsCUDA()
}

// newGo opens the Go engine without the line that it prints to standard output, which would stand in every notebook.
func newGo() (compute.Backend, error) {
	stdout := os.Stdout
	null, err := os.OpenFile(os.DevNull, os.O_WRONLY, 0)
	if err == nil {
		os.Stdout = null
		defer func() { os.Stdout = stdout; null.Close() }()
	}
	return compute.NewWithConfig(goConfig)
}

// open applies the order of Open to an environment and a search for plugins, both replaceable in tests.
func open(getenv func(string) string, discover func(kind string) []string) (compute.Backend, Info, error) {
	for _, key := range []string{"SCORESDE_BACKEND", "GOMLX_BACKEND"} {
		if config := getenv(key); config != "" {
			return openConfig(config, key, discover)
		}
	}
	if hasNVIDIA() {
		if found := discover("cuda"); len(found) > 0 {
			return openPlugin("xla:cuda", found[0], "", "an NVIDIA device is present")
		}
	}
	if found := discover("cpu"); len(found) > 0 {
		return openPlugin("xla:cpu", found[0], "", "no usable NVIDIA device or CUDA plugin")
	}
	fmt.Fprintln(os.Stderr, "scoresde: no XLA plugin found, using the slow Go backend; `make setup` in the repository installs XLA for the CPU")
	b, err := newGo()
	return b, Info{Name: "go", Reason: "no XLA plugin found"}, err
}

// openConfig opens what a person asked for by name.
func openConfig(config, key string, discover func(string) []string) (compute.Backend, Info, error) {
	reason := key + "=" + config
	engine, rest, _ := strings.Cut(config, ":")
	switch engine {
	case "go":
		if rest != "" && engine+":"+rest != goConfig {
			reason += ", run as " + goConfig + ", since other settings can dead-lock or are slower"
		}
		b, err := newGo()
		return b, Info{Name: "go", Reason: reason}, err
	case "xla", "stablehlo", "hlo", "shlo":
	default:
		return nil, Info{}, fmt.Errorf("backend: %s: unknown backend %q, want \"go\", \"xla\", \"xla:cpu\", \"xla:cuda\" or \"xla:/path/to/plugin.so\"", reason, engine)
	}
	plugin, options, _ := strings.Cut(rest, ",")
	if options != "" {
		options = "," + options
	}
	if strings.HasPrefix(plugin, "/") {
		return openPlugin(nameOf(plugin), plugin, options, reason)
	}
	kinds := []string{plugin}
	if plugin == "" {
		kinds = []string{"cuda", "cpu"}
	}
	for _, kind := range kinds {
		if found := discover(kind); len(found) > 0 {
			return openPlugin("xla:"+kind, found[0], options, reason)
		}
	}
	return nil, Info{}, fmt.Errorf("backend: %s: no PJRT plugin for %q found in %s; run `make setup`, or name the file: xla:/path/to/plugin.so",
		reason, strings.Join(kinds, " or "), strings.Join(searchPath(), ", "))
}

// openPlugin loads one plugin file. The name and cause of a broken file reach the caller as an error: go-xla may
// panic on one.
func openPlugin(name, path, options, reason string) (b compute.Backend, info Info, err error) {
	defer func() {
		if r := recover(); r != nil {
			b, info, err = nil, Info{}, fmt.Errorf("backend: PJRT plugin %s cannot be used: %v", path, r)
		}
	}()
	if err := checkFile(path); err != nil {
		return nil, Info{}, fmt.Errorf("backend: PJRT plugin %s cannot be used: %w", path, err)
	}
	var client pjrt.NamedValuesMap
	if name == "xla:cpu" {
		done, err := prepareCPU(path)
		if err != nil {
			return nil, Info{}, fmt.Errorf("backend: the environment of XLA: %w", err)
		}
		defer done()
		client = pjrt.NamedValuesMap{"cpu_device_count": int64(1)}
	}
	b, err = xla.NewWithOptions(path+options, client)
	if err != nil {
		return nil, Info{}, fmt.Errorf("backend: PJRT plugin %s cannot be used: %w", path, err)
	}
	return b, Info{Name: name, Plugin: path, Reason: reason}, nil
}
