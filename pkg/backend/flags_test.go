package backend

import (
	"os"
	"strconv"
	"testing"
)

func TestFlags(t *testing.T) {
	plugin := cpuPlugin(t)
	const width = "xla_cpu_prefer_vector_width"
	if !knows(plugin, width) {
		t.Skipf("%s has no flag %s", plugin, width)
	}
	for _, c := range []struct{ plugin, before, after string }{
		{plugin, "", widthFlag},
		{plugin, "--xla_dump_to=x", "--xla_dump_to=x " + widthFlag},
		{plugin, "--xla_cpu_prefer_vector_width=256", "--xla_cpu_prefer_vector_width=256"},
		{"/no/such/plugin.so", "", ""},
	} {
		t.Setenv("XLA_FLAGS", c.before)
		if err := addFlags(c.plugin, widthFlag, "--xla_cpu_no_such_flag_at_all=1"); err != nil || os.Getenv("XLA_FLAGS") != c.after {
			t.Errorf("%s, XLA_FLAGS %q became %q, %v; want %q", c.plugin, c.before, os.Getenv("XLA_FLAGS"), err, c.after)
		}
	}
}

// TestThreads: the size of XLA's thread pools is that of Go's while a client starts, unless a person set another, and no
// child process inherits it.
func TestThreads(t *testing.T) {
	for _, c := range []struct{ before, during string }{{"", strconv.Itoa(Threads())}, {"3", "3"}} {
		t.Setenv("XLA_FLAGS", "")
		t.Setenv("NPROC", c.before)
		done, err := prepareCPU("/no/such/plugin.so")
		if err != nil || os.Getenv("NPROC") != c.during {
			t.Errorf("NPROC %q became %q, %v; want %q", c.before, os.Getenv("NPROC"), err, c.during)
		}
		done()
		if os.Getenv("NPROC") != c.before {
			t.Errorf("NPROC stays %q, want %q", os.Getenv("NPROC"), c.before)
		}
	}
}

// TestOneDevice: a CPU is one device, whose thread pool is not divided.
func TestOneDevice(t *testing.T) {
	b, _, err := open(env(map[string]string{"SCORESDE_BACKEND": "xla:" + cpuPlugin(t)}), nothing)
	if err != nil {
		t.Fatal(err)
	}
	if n := b.NumDevices(); n != 1 {
		t.Errorf("%d devices, want 1", n)
	}
}
