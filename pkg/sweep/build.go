package sweep

import (
	"bytes"
	"errors"
	"fmt"
	"math/bits"
	"slices"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/scoresde/scoresde/pkg/run"
)

// Grid plans every combination of the axes' values, the last axis fastest, each put into base, a struct with TOML keys.
// Unknown keys, values of another type, empty and repeated axes, repeated values and plans of more than MaxTrials are
// errors. Without axes the plan is base alone.
func Grid[C any](name string, base C, axes ...Axis) (Plan, error) {
	return build(name, base, Search{}, axes)
}

// Random plans search.N draws of the laws put into base, and for each of them every combination of the axes' values:
// Seeds, say. Draws that repeat an earlier one are passed over.
func Random[C any](name string, base C, search Search, axes ...Axis) (Plan, error) {
	if err := search.check(); err != nil {
		return Plan{}, err
	}
	return build(name, base, search, axes)
}

func build[C any](name string, base C, search Search, axes []Axis) (Plan, error) {
	p := Plan{Name: name}
	for _, l := range search.Laws {
		p.Axes = append(p.Axes, l.Key)
	}
	for _, a := range axes {
		p.Axes = append(p.Axes, a.Key)
	}
	if err := checkKeys(p.Axes); err != nil {
		return Plan{}, err
	}
	size, err := product(max(search.N, 1), axes)
	if err != nil {
		return Plan{}, err
	}
	root, err := run.EncodeConfig(base)
	if err != nil {
		return Plan{}, err
	}
	b := builder[C]{root: root}
	if _, err := toml.Decode(string(root), &b.tables); err != nil {
		return Plan{}, fmt.Errorf("sweep: base: %w", err)
	}
	starts, err := b.draws(search)
	if err != nil {
		return Plan{}, err
	}
	values, err := b.axes(axes)
	if err != nil {
		return Plan{}, err
	}
	p.Trials = make([]Planned, 0, size)
	for _, start := range starts {
		for i := range size / len(starts) {
			config, err := b.config(append(slices.Clone(start), combination(values, i)...))
			if err != nil {
				return Plan{}, err
			}
			p.Trials = append(p.Trials, planned(config))
		}
	}
	return p, p.check()
}

// product is the size of the plan. It is counted before anything is made.
func product(n int, axes []Axis) (int, error) {
	hi, size := uint64(0), uint64(n)
	var factors []string
	if n > 1 {
		factors = append(factors, fmt.Sprint(n))
	}
	over := false
	for _, a := range axes {
		k := a.size()
		if k == 0 {
			return 0, fmt.Errorf("sweep: axis %q has no values", a.Key)
		}
		factors = append(factors, fmt.Sprint(k))
		hi, size = bits.Mul64(size, k)
		over = over || hi > 0
	}
	switch of := strings.Join(factors, " x "); {
	case over:
		return 0, fmt.Errorf("sweep: a plan of %s trials, more than 2^64, want at most %d", of, MaxTrials)
	case size > MaxTrials:
		return 0, fmt.Errorf("sweep: a plan of %s = %d trials, want at most %d", of, size, MaxTrials)
	}
	return int(size), nil
}

// setting is a value of a key, as the canonical configuration has it; nil where it leaves the key out.
type setting struct {
	key   string
	value any
}

// combination is line i of the product of the axes.
func combination(axes [][]setting, i int) []setting {
	line := make([]setting, len(axes))
	for k := len(axes) - 1; k >= 0; k-- {
		line[k] = axes[k][i%len(axes[k])]
		i /= len(axes[k])
	}
	return line
}

// builder makes configurations from the base.
type builder[C any] struct {
	root   []byte         // the base, as canonical TOML
	tables map[string]any // the same
}

// resolve checks one value and finds its canonical form. It also returns the base with that value.
func (b builder[C]) resolve(key string, value any) (setting, string, error) {
	fail := func(err error) (setting, string, error) {
		return setting{}, "", fmt.Errorf("sweep: axis %s = %v: %w", key, value, err)
	}
	line, err := assignment(key, value)
	if err != nil {
		return fail(err)
	}
	var c C
	if err := run.DecodeConfig(b.root, &c); err != nil {
		return fail(err)
	}
	if err := run.DecodeConfig([]byte(line), &c); err != nil {
		return fail(err)
	}
	config, err := run.EncodeConfig(c)
	if err != nil {
		return fail(err)
	}
	var tables map[string]any
	if _, err := toml.Decode(string(config), &tables); err != nil {
		return fail(err)
	}
	return setting{key, lookUp(tables, key)}, string(config), nil
}

// assignment is the line "key = value".
func assignment(key string, value any) (string, error) {
	var b bytes.Buffer
	if err := toml.NewEncoder(&b).Encode(map[string]any{"v": value}); err != nil {
		return "", err
	}
	line, ok := strings.CutPrefix(b.String(), "v = ")
	if !ok || strings.Count(line, "\n") != 1 {
		return "", errors.New("want a string, number, flag or list of them")
	}
	return key + " = " + line, nil
}

// axes tries every value of every axis by itself.
func (b builder[C]) axes(axes []Axis) ([][]setting, error) {
	all := make([][]setting, len(axes))
	for k, a := range axes {
		seen := map[string]bool{}
		for i := range int(a.size()) {
			s, config, err := b.resolve(a.Key, a.value(i))
			if err != nil {
				return nil, err
			}
			if seen[config] {
				return nil, fmt.Errorf("sweep: axis %q has the value %v twice", a.Key, a.value(i))
			}
			seen[config] = true
			all[k] = append(all[k], s)
		}
	}
	return all, nil
}

// draws are those of a search that differ from one another; a single empty one where there is no search.
func (b builder[C]) draws(s Search) ([][]setting, error) {
	if len(s.Laws) == 0 {
		return [][]setting{nil}, nil
	}
	var out [][]setting
	seen := map[string]bool{}
	for i := 0; len(out) < s.N; i++ {
		if i == 100*s.N {
			return nil, fmt.Errorf("sweep: %d random draws gave only %d different trials, want N = %d", i, len(out), s.N)
		}
		line := make([]setting, len(s.Laws))
		for k, l := range s.Laws {
			var err error
			if line[k], _, err = b.resolve(l.Key, s.at(l, i)); err != nil {
				return nil, err
			}
		}
		if text := fmt.Sprint(line); !seen[text] {
			seen[text] = true
			out = append(out, line)
		}
	}
	return out, nil
}

// config is the canonical configuration with some values put in. Calls that follow each other set the same keys.
func (b builder[C]) config(line []setting) ([]byte, error) {
	for _, s := range line {
		tables, keys := b.tables, strings.Split(s.key, ".")
		for _, k := range keys[:len(keys)-1] {
			inner, ok := tables[k].(map[string]any)
			if !ok {
				inner = map[string]any{}
				tables[k] = inner
			}
			tables = inner
		}
		if last := keys[len(keys)-1]; s.value == nil {
			delete(tables, last)
		} else {
			tables[last] = s.value
		}
	}
	return run.EncodeConfig(b.tables)
}

// lookUp follows a dotted key; nil where it leads nowhere.
func lookUp(tables map[string]any, key string) any {
	var at any = tables
	for k := range strings.SplitSeq(key, ".") {
		inner, ok := at.(map[string]any)
		if !ok {
			return nil
		}
		at = inner[k]
	}
	return at
}
