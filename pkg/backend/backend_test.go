package backend

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/gomlx/go-xla/compute/xla"
)

// cpuPlugin is the path of a working CPU plugin; tests that need one are skipped where there is none.
func cpuPlugin(t *testing.T) string {
	t.Helper()
	found := discover("cpu")
	if len(found) == 0 {
		t.Skip("no XLA CPU plugin on this machine")
	}
	return found[0]
}

func write(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := os.WriteFile(path, data, 0o644); err != nil {
		t.Fatal(err)
	}
}

// env is an environment that holds just these pairs.
func env(pairs map[string]string) func(string) string {
	return func(key string) string { return pairs[key] }
}

// nothing finds no plugin.
func nothing(string) []string { return nil }

func TestOrderOfOpen(t *testing.T) {
	for _, c := range []struct {
		name   string
		env    map[string]string
		reason string
	}{
		{"nothing set", nil, "no XLA plugin found"},
		{"empty is unset", map[string]string{"SCORESDE_BACKEND": "", "GOMLX_BACKEND": ""}, "no XLA plugin found"},
		{"ours first", map[string]string{"SCORESDE_BACKEND": "go", "GOMLX_BACKEND": "xla:cpu"}, "SCORESDE_BACKEND=go"},
		{"then GoMLX's", map[string]string{"SCORESDE_BACKEND": "", "GOMLX_BACKEND": "go"}, "GOMLX_BACKEND=go"},
		{"the safe setting", map[string]string{"GOMLX_BACKEND": goConfig}, "GOMLX_BACKEND=" + goConfig},
		{"an unsafe setting", map[string]string{"GOMLX_BACKEND": "go:parallelism=2"},
			"GOMLX_BACKEND=go:parallelism=2, run as " + goConfig + ", since other settings can dead-lock or are slower"},
	} {
		b, info, err := open(env(c.env), nothing)
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if want := (Info{Name: "go", Reason: c.reason}); info != want || b.Name() != Go().Name() || OnDevice(b) {
			t.Errorf("%s: opened %s, %+v, want %+v", c.name, b.Name(), info, want)
		}
	}
}

// TestKindsLookedFor: what is searched for, and in which order, follows from the configuration alone.
func TestKindsLookedFor(t *testing.T) {
	for config, want := range map[string][]string{
		"xla":                 {"cuda", "cpu"},
		"stablehlo:":          {"cuda", "cpu"},
		"xla:cpu":             {"cpu"},
		"xla:cuda,tf32=false": {"cuda"},
		"hlo:tpu":             {"tpu"},
	} {
		var kinds []string
		b, info, err := open(env(map[string]string{"SCORESDE_BACKEND": config}), func(kind string) []string {
			kinds = append(kinds, kind)
			return nil
		})
		if err == nil || b != nil || info != (Info{}) {
			t.Errorf("%s without plugins opens %+v, want an error", config, info)
			continue
		}
		if !slices.Equal(kinds, want) {
			t.Errorf("%s looks for %v, want %v", config, kinds, want)
		}
		for _, part := range []string{"SCORESDE_BACKEND=" + config, strings.Join(want, " or "), "make setup"} {
			if !strings.Contains(err.Error(), part) {
				t.Errorf("%s: error %q does not mention %q", config, err, part)
			}
		}
	}
}

func TestUnknownBackend(t *testing.T) {
	for _, config := range []string{"cpu", "tpu:x", "XLA", " go", ":"} {
		_, _, err := open(env(map[string]string{"GOMLX_BACKEND": config}), nothing)
		if err == nil || !strings.Contains(err.Error(), "unknown backend") || !strings.Contains(err.Error(), "GOMLX_BACKEND="+config) {
			t.Errorf("GOMLX_BACKEND=%q: error %v, want one that names it", config, err)
		}
	}
}

// TestPathAndOptions: a plugin named by its path is used whatever the search finds, and options reach XLA.
func TestPathAndOptions(t *testing.T) {
	plugin := cpuPlugin(t)
	for options, tf32 := range map[string]bool{"": false, ",tf32=false": false, ",tf32=true": true} {
		config := "xla:" + plugin + options
		b, info, err := open(env(map[string]string{"SCORESDE_BACKEND": config}), func(string) []string {
			t.Errorf("%s: a search for plugins", config)
			return nil
		})
		if err != nil {
			t.Fatalf("%s: %v", config, err)
		}
		if want := (Info{"xla:cpu", plugin, "SCORESDE_BACKEND=" + config}); info != want {
			t.Errorf("opened %+v, want %+v", info, want)
		}
		if got := b.(*xla.Backend).DotGeneralUseTF32; got != tf32 || !OnDevice(b) {
			t.Errorf("%s: tf32 is %t, want %t", config, got, tf32)
		}
	}
	for _, option := range []string{"tf32=maybe", "colour=red"} {
		_, _, err := open(env(map[string]string{"SCORESDE_BACKEND": "xla:cpu," + option}), func(string) []string { return []string{plugin} })
		if err == nil || !strings.Contains(err.Error(), option[:4]) || !strings.Contains(err.Error(), plugin) {
			t.Errorf("option %s gives %v, want an error that names it and the plugin", option, err)
		}
	}
}

func TestBrokenPlugins(t *testing.T) {
	dir := t.TempDir()
	at := func(name string, data []byte) string {
		path := filepath.Join(dir, name)
		write(t, path, data)
		return path
	}
	self, err := os.ReadFile(os.Args[0])
	if err != nil {
		t.Fatal(err)
	}
	headless := slices.Clone(self[:1<<16])
	for i := 0x28; i < 0x30; i++ {
		headless[i] = 0 // no section headers: only the segments tell that the file is cut short
	}
	for i := 0x3c; i < 0x40; i++ {
		headless[i] = 0
	}
	cases := map[string][2]string{
		"missing":      {filepath.Join(dir, "no-such-cpu.so"), "no such file"},
		"a folder":     {dir, "cannot be used"},
		"empty":        {at("empty-cpu.so", nil), "not a readable shared library"},
		"garbage":      {at("garbage-cpu.so", []byte(strings.Repeat("garbage ", 1000))), "not a readable shared library"},
		"ELF cut":      {at("cut-cpu.so", self[:len(self)/2]), "not a readable shared library"},
		"segments cut": {at("headless-cpu.so", headless), "cut short at 65536 bytes"},
		"executable":   {at("program-cpu.so", self), "cannot be used"},
	}
	for name, source := range map[string]string{
		"no-api":  "int nothing(void) { return 0; }",
		"nil-api": "void *GetPjrtApi(void) { return 0; }",
	} {
		if path := compile(t, dir, name, source); path != "" {
			cases[name] = [2]string{path, "cannot be used"}
		}
	}
	for name, c := range cases {
		for _, way := range []map[string]string{{"SCORESDE_BACKEND": "xla:" + c[0]}, {"GOMLX_BACKEND": "xla:cpu"}, nil} {
			b, info, err := open(env(way), func(kind string) []string {
				if kind == "cpu" {
					return []string{c[0]}
				}
				return nil
			})
			if err == nil || b != nil || info != (Info{}) {
				t.Errorf("%s, %v: opened %v, %+v; want an error", name, way, b, info)
				continue
			}
			if !strings.Contains(err.Error(), c[0]) || !strings.Contains(err.Error(), c[1]) {
				t.Errorf("%s, %v: error %q, want path %s and cause %q", name, way, err, c[0], c[1])
			}
		}
	}
}

// compile builds a shared library from C, or returns "" where there is no C compiler.
func compile(t *testing.T, dir, name, source string) string {
	t.Helper()
	file, lib := filepath.Join(dir, name+".c"), filepath.Join(dir, name+"-cpu.so")
	write(t, file, []byte(source))
	if out, err := exec.Command("cc", "-shared", "-fPIC", "-o", lib, file).CombinedOutput(); err != nil {
		t.Logf("no library %s: %v %s", name, err, out)
		return ""
	}
	return lib
}

// TestDiscoverOnlyLooksAtNames: best folder first, both spellings of names, and no file is opened.
func TestDiscoverOnlyLooksAtNames(t *testing.T) {
	home, first, second, root := t.TempDir(), t.TempDir(), t.TempDir(), t.TempDir()
	t.Setenv("HOME", home)
	t.Setenv("SCORESDE_ROOT", root)
	t.Setenv("PJRT_PLUGIN_LIBRARY_PATH", first+":"+":"+second)
	want := []string{
		filepath.Join(home, ".local/lib/go-xla/pjrt_c_api_cpu_v9_plugin.so"),
		filepath.Join(first, "pjrt_c_api_cpu_plugin.so"),
		filepath.Join(second, "pjrt-plugin-cpu.so"),
		filepath.Join(root, ".venv/lib/pjrt/pjrt_c_api_cpu_plugin.so"),
	}
	for _, path := range append(want, filepath.Join(first, "pjrt_c_api_cuda_plugin.so"), filepath.Join(first, "libcpu.so")) {
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		write(t, path, nil)
	}
	found := slices.DeleteFunc(discover("cpu"), func(p string) bool { return strings.HasPrefix(p, "/usr/local/") })
	if !slices.Equal(found, want) {
		t.Errorf("found %v, want %v", found, want)
	}
	t.Chdir(first)
	t.Setenv("PJRT_PLUGIN_LIBRARY_PATH", ".")
	if found := discover("cuda"); !slices.Contains(found, filepath.Join(first, "pjrt_c_api_cuda_plugin.so")) {
		t.Errorf("in a relative folder found %v, want an absolute path", found)
	}
}

func TestNameOf(t *testing.T) {
	for path, want := range map[string]string{
		"/nvidia/pjrt_c_api_cpu_plugin.so":       "xla:cpu",
		"/x/pjrt_c_api_cuda_plugin.so":           "xla:cuda",
		"/cpu/xla_cuda_plugin.so":                "xla:cuda",
		"/x/pjrt_c_api_cpu_v0.114.0_plugin.so":   "xla:cpu",
		"/home/x/.venv/lib/pjrt/metal_plugin.so": "xla:metal_plugin",
	} {
		if got := nameOf(path); got != want {
			t.Errorf("nameOf(%q) = %q, want %q", path, got, want)
		}
	}
}
