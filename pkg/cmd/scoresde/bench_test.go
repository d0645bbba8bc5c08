package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"reflect"
	"testing"
	"time"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/sampler"
)

func testLab(tb testing.TB) *lab {
	tb.Helper()
	b, err := backend.Open()
	if err != nil {
		tb.Fatal(err)
	}
	l, err := newLab(b, 2)
	if err != nil {
		tb.Fatal(err)
	}
	return l
}

// Benchmark runs the measurements of `scoresde bench`.
func Benchmark(b *testing.B) {
	l := testLab(b)
	for _, m := range measurements {
		b.Run(m.name, func(b *testing.B) {
			var best benchmark
			for b.Loop() {
				r, err := m.measure(l)
				if err != nil {
					b.Skip(err)
				}
				if r.Ratio > best.Ratio {
					best = r
				}
			}
			b.ReportMetric(0, "ns/op") // a measurement is many runs of different lengths
			b.ReportMetric(best.Value, best.Unit)
			b.ReportMetric(best.Ratio, "ratio")
		})
	}
}

// promise is a bound on a ratio.
type promise struct {
	holds func(ratio float64) bool
	want  string
}

func atLeast(bound float64) promise {
	return promise{func(r float64) bool { return r >= bound }, fmt.Sprintf(">= %g", bound)}
}

func atMost(bound float64) promise {
	return promise{func(r float64) bool { return r <= bound }, fmt.Sprintf("<= %g", bound)}
}

// TestRequiredRatios: the speeds that the laboratory promises. It measures time, so it runs apart from the other tests, where
// SCORESDE_TIMING is set. Others' work on the machine can only hide them, so the best of a few attempts counts.
func TestRequiredRatios(t *testing.T) {
	if os.Getenv("SCORESDE_TIMING") == "" {
		t.Skip("measures time for some minutes: set SCORESDE_TIMING=1 on a quiet machine")
	}
	l := testLab(t)
	if !backend.OnDevice(l.backend) {
		t.Skip("the promises are for XLA")
	}
	required := map[string]promise{
		// Beside other work on the machine, ratios to the products of two threads swing by a third. The goals on quiet cores
		// are .68, .45, .60, .30, 1.15, 55 and 10 for the first seven; bench.json has what was reached.
		"pc_10000":         atLeast(0.55),
		"pc_64":            atLeast(0.3),
		"train_3x256_1024": atLeast(0.5),
		"train_3x128_64":   atLeast(0.2),
		"likelihood_10000": atMost(1.5),
		"heun_vs_pc":       atLeast(50),
		"device_vs_host_1": atLeast(8),
		"guided_pc_10000":  atMost(2.2),
		"conv_sample":      atLeast(0.9),
		"conv_train":       atMost(1.15),
		"checkpoint_500":   atMost(1.02),
		"compile_n":        atMost(1.1),
		"turns_64":         atLeast(6),
	}
	for _, m := range measurements {
		bound, ok := required[m.name]
		if !ok {
			continue
		}
		const attempts = 6
		for k := 1; ; k++ {
			r, err := m.measure(l)
			if err != nil {
				t.Fatalf("%s: %v", m.name, err)
			}
			t.Logf("%s: %.4g %s, %.3g of %s (%s)", r.Name, r.Value, r.Unit, r.Ratio, r.Of, r.detail)
			if bound.holds(r.Ratio) {
				break
			}
			if k == attempts {
				t.Errorf("%s: ratio %.3g in the last of %d attempts, want %s", m.name, r.Ratio, attempts, bound.want)
				break
			}
		}
	}
}

// TestCompileOnce: the number of steps is an input, so that a sampler builds one executable for all.
func TestCompileOnce(t *testing.T) {
	s, err := newPC(backend.Go(), 3)
	if err != nil {
		t.Fatal(err)
	}
	for _, steps := range []int{2, 10, 3000} {
		if _, err := s.Run(t.Context(), sampler.PC{Predictor: pcMethod.Predictor}, sampler.Settings{Steps: steps}); err != nil {
			t.Fatal(err)
		}
	}
	if s.Builds() != 1 {
		t.Errorf("%d executables for three numbers of steps, want 1", s.Builds())
	}
}

// TestFLOP compares the counts with products counted by hand for 2 -> 5 -> 5 -> 2.
func TestFLOP(t *testing.T) {
	net := nets.MLP{Width: 5, Depth: 2}
	if got, want := forwardFLOP(net), 2.*(2*5+5*5+5*2); got != want {
		t.Errorf("forward pass: %g, want %g", got, want)
	}
	weights, inputs := 2.*(2*5+1*5+5*5+5*2), 2.*(5*5+5*2)
	if got, want := trainFLOP(net), 2*weights+inputs; got != want {
		t.Errorf("training: %g, want %g", got, want)
	}
}

func TestMeter(t *testing.T) {
	m := meter{steps: []time.Duration{4e6, 1e6, 2e6}, rates: []float64{10, 20, 20}}
	r, err := m.against("x", 1e7, 100) // 2.5, 10 and 5 GFLOP/s: ratios 1/4, 1/2, 1/4
	if err != nil || math.Abs(r.Value-10) > 1e-9 || math.Abs(r.Ratio-0.25) > 1e-9 || r.Of != gemmName {
		t.Errorf("got %+v, %v; want 10 GFLOP/s and ratio 0.25", r, err)
	}
	if r.detail != "1 ms/step, 1e+05 rows/s" {
		t.Errorf("detail %q", r.detail)
	}
	m.err = errNotOnDevice
	if _, err := m.against("x", 1, 1); err != errNotOnDevice {
		t.Errorf("got %v, want the error of the products", err)
	}
}

// TestReport: the file has the fields that readers rely on, and no more.
func TestReport(t *testing.T) {
	path := filepath.Join(t.TempDir(), "bench.json")
	r := report{"m", "xla:cpu", []benchmark{{"pc_64", 12.34567, "GFLOP/s", 0.6543219, "gemm", "not written"}}}
	for range 2 { // replaces
		if err := r.write(path); err != nil {
			t.Fatal(err)
		}
	}
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	var got map[string]any
	if err := json.Unmarshal(data, &got); err != nil {
		t.Fatal(err)
	}
	want := map[string]any{"machine": "m", "backend": "xla:cpu", "benchmarks": []any{
		map[string]any{"name": "pc_64", "value": 12.35, "unit": "GFLOP/s", "ratio": 0.6543, "of": "gemm"},
	}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("bench.json holds %v, want %v", got, want)
	}
	if files, _ := os.ReadDir(filepath.Dir(path)); len(files) != 1 {
		t.Errorf("%v stay behind, want bench.json only", files)
	}
	if err := r.write(filepath.Join(path, "x")); err == nil {
		t.Error("a report cannot be written under a file, want an error")
	}
}
