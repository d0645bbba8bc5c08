package fig

import (
	"os"
	"path/filepath"
	"reflect"
	"testing"
)

// FuzzLoadMetrics: any metrics.json is refused or is this notebook's, and survives being written and read.
func FuzzLoadMetrics(f *testing.F) {
	for _, text := range []string{
		"", "null", "{}", `{"checks":[`, `{"notebook":"x","budget":"quick","checks":[{"id":"a","value":null,"n":3}]}`,
		`{"notebook":"x","budget":"full"}`, `{"notebook":"x","budget":"quick","seconds":1e999}`, `{"notebook":"x","budget":"quick","checks":null}`,
		`{"notebook":"x","budget":"quick","checks":[{"id":"<b>","what":"\ud800","exact":-0,"n":1.5}]}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		nb := &Notebook{name: "x", dir: t.TempDir(), budget: "quick"}
		if err := os.WriteFile(filepath.Join(nb.dir, metricsFile), text, 0o644); err != nil {
			t.Fatal(err)
		}
		m, err := nb.load()
		if err != nil {
			return
		}
		if m.Notebook != nb.name || m.Budget != nb.budget {
			t.Fatalf("%q was taken for %+v", text, m)
		}
		if err := nb.store(m); err != nil {
			t.Fatal(err)
		}
		if again, err := nb.load(); err != nil || !reflect.DeepEqual(again.Checks, m.Checks) && len(m.Checks) > 0 {
			t.Fatalf("%q is %+v, written and read %+v, %v", text, m, again, err)
		}
	})
}
