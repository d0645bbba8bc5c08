package sweep

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/scoresde/scoresde/pkg/run"
)

// maxSweepFile bounds a sweep.toml, which people write, in bytes.
const maxSweepFile = 64 << 10

// sweepTOML is the content of a sweep.toml.
type sweepTOML struct {
	Name   string         `toml:"name"`  // default: that of the file
	Seeds  any            `toml:"seeds"` // a list, or their number: 5 means 1 to 5
	Base   map[string]any `toml:"base"`
	Axes   map[string]any `toml:"axes"`
	Random randomTOML     `toml:"random"`
}

type randomTOML struct {
	N          int64                 `toml:"n"`
	Seed       int64                 `toml:"seed"`
	Uniform    map[string][2]float64 `toml:"uniform"`
	LogUniform map[string][2]float64 `toml:"log_uniform"`
	Choice     map[string][]any      `toml:"choice"`
}

// ReadFile plans what a TOML file asks for: [base] changes defaults, [axes] lists values by key, seeds is a list or a
// number of seeds, and [random] draws: n, seed, and tables uniform, log_uniform (key = [low, high]) and choice (key =
// [values]).
//
//	name  = "samplers"
//	seeds = 5
//	[base]
//	steps = 4000
//	[axes]
//	predictor = ["euler-maruyama", "reverse-diffusion"]
//	snr       = [0.05, 0.16]
//
// The first axis varies slowest, seeds fastest.
func ReadFile[C any](path string, defaults C) (Plan, error) {
	f, err := os.Open(path)
	if err != nil {
		return Plan{}, fmt.Errorf("sweep: %w", err)
	}
	defer f.Close()
	text, err := io.ReadAll(io.LimitReader(f, maxSweepFile+1))
	if err != nil {
		return Plan{}, fmt.Errorf("sweep: %w", err)
	}
	name := filepath.Base(path)
	p, err := parseSweep(text, strings.TrimSuffix(name, filepath.Ext(name)), defaults)
	if err != nil {
		return Plan{}, fmt.Errorf("%s: %w", path, err)
	}
	return p, nil
}

func parseSweep[C any](text []byte, name string, defaults C) (Plan, error) {
	if len(text) > maxSweepFile {
		return Plan{}, fmt.Errorf("sweep: more than %d bytes", maxSweepFile)
	}
	file := sweepTOML{Name: name}
	if err := run.DecodeConfig(text, &file); err != nil {
		return Plan{}, err
	}
	base, err := toml.Marshal(file.Base)
	if err != nil {
		return Plan{}, fmt.Errorf("sweep: [base]: %w", err)
	}
	if err := run.DecodeConfig(base, &defaults); err != nil {
		return Plan{}, fmt.Errorf("sweep: [base]: %w", err)
	}
	axes, err := file.axes(text)
	if err != nil {
		return Plan{}, err
	}
	if r := file.Random; r.given() {
		search := r.search()
		return Random(file.Name, defaults, search, axes...)
	}
	return Grid(file.Name, defaults, axes...)
}

// axes are those of the file in its order, and the seeds.
func (file sweepTOML) axes(text []byte) (axes []Axis, err error) {
	for _, key := range orderOf(text, "axes") {
		value := lookUp(file.Axes, key)
		if _, isTable := value.(map[string]any); isTable {
			continue // its keys follow
		}
		values, ok := value.([]any)
		if !ok {
			return nil, fmt.Errorf("sweep: axes.%s = %v, want a list of values", key, value)
		}
		axes = append(axes, Axis{Key: key, Values: values})
	}
	switch seeds := file.Seeds.(type) {
	case nil:
	case int64:
		if seeds < 1 {
			return nil, fmt.Errorf("sweep: seeds = %d, want at least 1, or a list", seeds)
		}
		axes = append(axes, Seeds(1, seeds))
	case []any:
		axes = append(axes, Axis{Key: SeedKey, Values: seeds})
	default:
		return nil, fmt.Errorf("sweep: seeds = %v, want a number of seeds or a list of them", seeds)
	}
	return axes, nil
}

// orderOf lists the keys below a table in the order of the text.
func orderOf(text []byte, table string) (keys []string) {
	var all map[string]any
	meta, err := toml.Decode(string(text), &all)
	if err != nil {
		return nil // it was decoded before
	}
	for _, k := range meta.Keys() {
		if len(k) > 1 && k[0] == table {
			keys = append(keys, strings.Join(k[1:], "."))
		}
	}
	return keys
}

func (r randomTOML) given() bool {
	return r.N != 0 || r.Seed != 0 || r.Uniform != nil || r.LogUniform != nil || r.Choice != nil
}

// search takes the laws in alphabetical order of their keys.
func (r randomTOML) search() Search {
	s := Search{N: int(r.N), Seed: r.Seed}
	for _, key := range slices.Sorted(maps.Keys(r.Uniform)) {
		s.Laws = append(s.Laws, Uniform(key, r.Uniform[key][0], r.Uniform[key][1]))
	}
	for _, key := range slices.Sorted(maps.Keys(r.LogUniform)) {
		s.Laws = append(s.Laws, LogUniform(key, r.LogUniform[key][0], r.LogUniform[key][1]))
	}
	for _, key := range slices.Sorted(maps.Keys(r.Choice)) {
		s.Laws = append(s.Laws, Choice(key, r.Choice[key]...))
	}
	return s
}
