package backend

import (
	"os"
	"testing"
)

func TestWiden(t *testing.T) {
	plugin := cpuPlugin(t)
	if !knows(plugin, widthFlag) {
		t.Skipf("%s has no flag %s", plugin, widthFlag)
	}
	const want = "--xla_cpu_prefer_vector_width=512"
	for _, c := range []struct{ plugin, before, after string }{
		{plugin, "", want},
		{plugin, "--xla_dump_to=x", "--xla_dump_to=x " + want},
		{plugin, "--xla_cpu_prefer_vector_width=256", "--xla_cpu_prefer_vector_width=256"},
		{"/no/such/plugin.so", "", ""},
	} {
		t.Setenv("XLA_FLAGS", c.before)
		if err := widen(c.plugin); err != nil || os.Getenv("XLA_FLAGS") != c.after {
			t.Errorf("%s, XLA_FLAGS %q became %q, %v; want %q", c.plugin, c.before, os.Getenv("XLA_FLAGS"), err, c.after)
		}
	}
	if knows(plugin, "xla_cpu_no_such_flag_at_all") {
		t.Error("a plugin knows a flag that does not exist")
	}
}
