package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/gomlx/compute"
	"github.com/google/renameio/v2"

	"github.com/scoresde/scoresde/pkg/backend"
	"github.com/scoresde/scoresde/pkg/nets"
	"github.com/scoresde/scoresde/pkg/run"
)

// report is the content of bench.json.
type report struct {
	Machine    string      `json:"machine"`
	Backend    string      `json:"backend"`
	Benchmarks []benchmark `json:"benchmarks"`
}

// benchmark is one measurement. Ratio compares it with Of, measured in the same run; absolute values mean nothing on a
// shared machine.
type benchmark struct {
	Name   string  `json:"name"`
	Value  float64 `json:"value"`
	Unit   string  `json:"unit"`
	Ratio  float64 `json:"ratio"`
	Of     string  `json:"of"`
	detail string
}

// gemmName names the speed limit among the benchmarks.
const gemmName = "gemm"

// lab is what the measurements share.
type lab struct {
	backend compute.Backend
	gemm    *gemm
	repeats int
}

func newLab(b compute.Backend, repeats int) (*lab, error) {
	g, err := newGEMM(b)
	return &lab{b, g, repeats}, err
}

// steps shortens a run on the slow engine.
func (l *lab) steps(n int) int {
	if backend.OnDevice(l.backend) {
		return n
	}
	return max(2, n/50)
}

// errNotOnDevice says that a measurement has no meaning on an engine that compiles nothing.
var errNotOnDevice = errors.New("only on XLA")

// measurements lists all benchmarks in the order of the table.
var measurements = []struct {
	name    string
	measure func(*lab) (benchmark, error)
}{
	{gemmName, products},
	{"pc_10000", pc(10_000, 200)},
	{"pc_64", pc(64, 4000)},
	{"guided_pc_10000", guided},
	{"likelihood_10000", exactLikelihood},
	{"heun_vs_pc", heunVersusPC},
	{"device_vs_host_1", deviceVersusHost},
	{"train_3x256_1024", training(nets.MLP{Width: 256, Depth: 3}, 1024, 300)},
	{"train_3x128_64", training(nets.MLP{Width: 128, Depth: 3}, 64, 3000)},
	{"conv_sample", convSampling},
	{"conv_train", inFolder(convTraining)},
	{"checkpoint_500", inFolder(checkpointing)},
	{"compile_n", compileN},
	{"turns_64", turnsVersusProcesses(64)},
}

// inFolder gives a measurement a folder for runs, which is removed after it.
func inFolder(measure func(l *lab, dir string) (benchmark, error)) func(*lab) (benchmark, error) {
	return func(l *lab) (benchmark, error) {
		dir, err := os.MkdirTemp("", "scoresde-bench-")
		if err != nil {
			return benchmark{}, err
		}
		defer os.RemoveAll(dir)
		return measure(l, dir)
	}
}

// products is the limit itself, so that the table shows it.
func products(l *lab) (benchmark, error) {
	best := 0.0
	for range l.repeats {
		rate, err := l.gemm.rate()
		if err != nil {
			return benchmark{}, err
		}
		best = max(best, rate)
	}
	return benchmark{
		Name: gemmName, Value: best, Unit: "GFLOP/s", Ratio: 1, Of: gemmName,
		detail: fmt.Sprintf("[%d,%d] x [%d,%d]", gemmRows, gemmWidth, gemmWidth, gemmWidth),
	}, nil
}

// bench is the command.
func bench(args []string, stdout, stderr io.Writer) int {
	if status, done := noArguments("bench", "Measures speed, prints a table and writes results/bench/bench.json.", args, stderr); done {
		return status
	}
	if err := benchInto(filepath.Join(run.Results(), "bench"), stdout); err != nil {
		fmt.Fprintln(stderr, "scoresde bench:", err)
		return exitFailure
	}
	return exitOK
}

func benchInto(dir string, stdout io.Writer) error {
	if err := run.Folder(dir); err != nil {
		return err
	}
	b, err := backend.Open()
	if err != nil {
		return err
	}
	l, err := newLab(b, 5)
	if err != nil {
		return err
	}
	r := report{Machine: machine(), Backend: backend.Describe().Name}
	fmt.Fprintf(stdout, "%s, backend %s\n", r.Machine, r.Backend)
	table := tabwriter.NewWriter(stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(table, "benchmark\tvalue\tratio\tof\t")
	for _, m := range measurements {
		result, err := m.measure(l)
		if errors.Is(err, errNotOnDevice) {
			continue
		}
		if err != nil {
			return fmt.Errorf("%s: %w", m.name, err)
		}
		r.Benchmarks = append(r.Benchmarks, result)
		fmt.Fprintf(table, "%s\t%.4g %s\t%.3g\t%s\t%s\n", result.Name, result.Value, result.Unit, result.Ratio, result.Of, result.detail)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	return r.write(filepath.Join(dir, "bench.json"))
}

// write replaces the file whole or not at all.
func (r report) write(path string) error {
	for i := range r.Benchmarks {
		r.Benchmarks[i].Value, r.Benchmarks[i].Ratio = rounded(r.Benchmarks[i].Value), rounded(r.Benchmarks[i].Ratio)
	}
	data, err := json.MarshalIndent(r, "", " ")
	if err != nil {
		return err
	}
	return renameio.WriteFile(path, append(data, '\n'), 0o644)
}

// rounded keeps four digits: no measurement here has more.
func rounded(v float64) float64 {
	if v == 0 || math.IsInf(v, 0) || math.IsNaN(v) {
		return v
	}
	scale := math.Pow(10, 3-math.Floor(math.Log10(math.Abs(v))))
	return math.Round(v*scale) / scale
}

// machine is the processor's name and number of cores.
func machine() string {
	name := runtime.GOARCH
	if data, err := os.ReadFile("/proc/cpuinfo"); err == nil {
		for line := range strings.Lines(string(data)) {
			if key, value, ok := strings.Cut(line, ":"); ok && strings.TrimSpace(key) == "model name" {
				name = strings.TrimSpace(value)
				break
			}
		}
	}
	return fmt.Sprintf("%s, %d cores, %s/%s", name, runtime.NumCPU(), runtime.GOOS, runtime.GOARCH)
}

func milliseconds(d time.Duration) string { return fmt.Sprintf("%.3g ms/step", d.Seconds()*1e3) }

func perSecond(rows float64) string { return fmt.Sprintf(", %.3g rows/s", rows) }
