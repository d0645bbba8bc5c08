package backend

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/gomlx/gomlx/core/graph"
)

// childEnv makes the test binary open the default backend, compute 1+1 on it and on the Go engine, print one line and
// end: Open works once per process, and what it prints can only be seen from outside.
const childEnv = "SCORESDE_BACKEND_TEST_CHILD"

func TestMain(m *testing.M) {
	if os.Getenv(childEnv) == "" {
		os.Exit(m.Run())
	}
	b := MustOpen()
	i := Describe()
	sum := func(x *graph.Node) *graph.Node { return graph.Add(x, x) }
	two, two2 := graph.MustExecOnce(b, sum, float32(1)).Value(), graph.MustExecOnce(Go(), sum, float32(1)).Value()
	fmt.Printf("%s %v %v|%s|%s|%t\n", i.Name, two, two2, i.Plugin, i.Reason, OnDevice(b))
}

// child runs the test binary as a program with an environment in which no plugin can be found but what env says.
func child(t *testing.T, env ...string) (stdout, stderr string, err error) {
	t.Helper()
	empty := t.TempDir()
	cmd := exec.Command(os.Args[0])
	cmd.Dir = empty
	cmd.Env = append(os.Environ(), childEnv+"=1", "HOME="+empty, "SCORESDE_ROOT="+empty,
		"PJRT_PLUGIN_LIBRARY_PATH=", "SCORESDE_BACKEND=", "GOMLX_BACKEND=")
	cmd.Env = append(cmd.Env, env...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err = cmd.Run()
	return out.String(), errs.String(), err
}

func skipWithSystemPlugin(t *testing.T) {
	t.Helper()
	if found, _ := filepath.Glob("/usr/local/lib/go-xla/*.so"); len(found) > 0 {
		t.Skip("a plugin is installed for the whole system")
	}
}

func TestFallbackSaysSoOnStderrOnly(t *testing.T) {
	skipWithSystemPlugin(t)
	stdout, stderr, err := child(t)
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if want := "go 2 2||no XLA plugin found|false\n"; stdout != want {
		t.Errorf("standard output is %q, want only %q", stdout, want)
	}
	if strings.Count(stderr, "\n") != 1 || !strings.Contains(stderr, "slow Go backend") || !strings.Contains(stderr, "make setup") {
		t.Errorf("stderr is %q, want one line that names the slow Go backend and make setup", stderr)
	}
}

func TestChosenGoIsSilent(t *testing.T) {
	stdout, stderr, err := child(t, "SCORESDE_BACKEND=go", "GOMLX_BACKEND=nonsense")
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if want := "go 2 2||SCORESDE_BACKEND=go|false\n"; stdout != want || stderr != "" {
		t.Errorf("output %q and stderr %q, want %q and nothing", stdout, stderr, want)
	}
}

func TestPluginOfSearchPath(t *testing.T) {
	plugin := cpuPlugin(t)
	stdout, stderr, err := child(t, "PJRT_PLUGIN_LIBRARY_PATH="+filepath.Dir(plugin))
	if err != nil {
		t.Fatalf("%v\n%s", err, stderr)
	}
	if want := "xla:cpu 2 2|" + plugin + "|no usable NVIDIA device or CUDA plugin|true\n"; stdout != want || stderr != "" {
		t.Errorf("output %q and stderr %q, want %q and nothing", stdout, stderr, want)
	}
}

// A broken plugin must not be passed over in silence, nor kill the process with anything but MustOpen's own message.
func TestMustOpenPanicsOnBrokenPlugin(t *testing.T) {
	skipWithSystemPlugin(t)
	dir := t.TempDir()
	path := filepath.Join(dir, "pjrt_c_api_cpu_plugin.so")
	write(t, path, []byte("this is no library"))
	stdout, stderr, err := child(t, "PJRT_PLUGIN_LIBRARY_PATH="+dir)
	if err == nil || stdout != "" {
		t.Fatalf("a broken plugin gives output %q, error %v; want a panic", stdout, err)
	}
	first, _, _ := strings.Cut(stderr, "\n")
	if !strings.HasPrefix(first, "panic: ") || !strings.Contains(first, path) || !strings.Contains(first, "not a readable shared library") {
		t.Errorf("the panic begins with %q, want path and cause", first)
	}
	if strings.Contains(stderr, "SIG") || strings.Contains(stderr, "nil pointer") {
		t.Errorf("the process crashed:\n%s", stderr)
	}
}
