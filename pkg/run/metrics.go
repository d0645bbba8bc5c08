package run

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path/filepath"
	"strconv"

	"github.com/google/renameio/v2"
)

// Point is a line of metrics.jsonl: {"step":60,"loss":0.25}, the names in alphabetical order after the step. Numbers that
// JSON has no word for are the strings "NaN", "+Inf" and "-Inf".
type Point struct {
	Step   int // >= 0
	Values map[string]float64
}

const (
	metricsFile = "metrics.jsonl"
	stepKey     = "step"
)

// Log appends a line to metrics.jsonl, in one write, so that it is with the operating system when Log returns.
func (t *Trial) Log(step int, values map[string]float64) error {
	line, err := Point{step, values}.line()
	if err != nil {
		return fmt.Errorf("run: metrics: %w", err)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.torn { // finish what an earlier write left unfinished
		line = append([]byte{'\n'}, line...)
	}
	_, err = t.metrics.Write(line)
	t.torn = err != nil
	if err != nil {
		return fmt.Errorf("run: metrics: %w", err)
	}
	return nil
}

// Rewrite replaces metrics.jsonl by the given points, whole or not at all: a run that goes on from a checkpoint takes
// back what it had logged after it.
func (t *Trial) Rewrite(points []Point) error {
	var text []byte
	for _, p := range points {
		line, err := p.line()
		if err != nil {
			return fmt.Errorf("run: metrics: %w", err)
		}
		text = append(text, line...)
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if err := renameio.WriteFile(filepath.Join(t.Dir, metricsFile), text, 0o644); err != nil {
		return fmt.Errorf("run: metrics: %w", err)
	}
	return t.openMetrics()
}

// openMetrics opens the file for appending; t.mu is held.
func (t *Trial) openMetrics() error {
	if t.metrics != nil {
		t.metrics.Close() // nothing is buffered
	}
	f, err := os.OpenFile(filepath.Join(t.Dir, metricsFile), os.O_RDWR|os.O_APPEND|os.O_CREATE, 0o644)
	if err != nil {
		return fmt.Errorf("run: metrics: %w", err)
	}
	t.metrics, t.torn = f, false
	info, err := f.Stat()
	if err == nil && info.Size() > 0 {
		last := make([]byte, 1)
		_, err = f.ReadAt(last, info.Size()-1)
		t.torn = last[0] != '\n'
	}
	if err != nil {
		return fmt.Errorf("run: metrics: %w", err)
	}
	return nil
}

// line is p as a line of the file.
func (p Point) line() ([]byte, error) {
	if p.Step < 0 {
		return nil, fmt.Errorf("step is %d, want >= 0", p.Step)
	}
	line := strconv.AppendInt([]byte(`{"step":`), int64(p.Step), 10)
	for _, name := range sortedKeys(p.Values) {
		if name == "" || name == stepKey {
			return nil, fmt.Errorf("a value is called %q, want a name other than %q", name, stepKey)
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		line = append(append(append(line, ','), key...), ':')
		line = appendNumber(line, p.Values[name])
	}
	return append(line, '}', '\n'), nil
}

func appendNumber(line []byte, v float64) []byte {
	switch {
	case math.IsNaN(v) || math.IsInf(v, 0):
		return strconv.AppendQuote(line, strconv.FormatFloat(v, 'g', -1, 64))
	default:
		return strconv.AppendFloat(line, v, 'g', -1, 64)
	}
}

// ReadMetrics reads a metrics.jsonl. A line that is not whole, which a process left that died while it wrote or found the
// disk full, is passed over and counted in torn. A whole line that is no Point is an error that names the line.
func ReadMetrics(path string) (points []Point, torn int, err error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, 0, fmt.Errorf("run: metrics: %w", err)
	}
	defer f.Close()
	points, torn, err = readMetrics(f)
	if err != nil {
		return nil, 0, fmt.Errorf("run: metrics: %s: %w", path, err)
	}
	return points, torn, nil
}

func readMetrics(r io.Reader) (points []Point, torn int, err error) {
	lines := bufio.NewReader(r)
	for n := 1; ; n++ {
		line, err := lines.ReadBytes('\n')
		if err != nil && !errors.Is(err, io.EOF) {
			return nil, 0, err
		}
		end := err != nil
		switch line = bytes.TrimSpace(line); {
		case len(line) == 0:
		case !json.Valid(line):
			torn++
		default:
			p, err := parsePoint(line)
			if err != nil {
				return nil, 0, fmt.Errorf("line %d: %w", n, err)
			}
			points = append(points, p)
		}
		if end {
			return points, torn, nil
		}
	}
}

// parsePoint reads a line that is JSON.
func parsePoint(line []byte) (Point, error) {
	var fields map[string]json.RawMessage
	if err := json.Unmarshal(line, &fields); err != nil {
		return Point{}, err
	}
	p := Point{Step: -1, Values: map[string]float64{}}
	for _, name := range sortedKeys(fields) {
		if name == stepKey {
			if err := json.Unmarshal(fields[name], &p.Step); err != nil {
				return Point{}, fmt.Errorf("step: %w", err)
			}
			continue
		}
		v, err := parseNumber(fields[name])
		if err != nil {
			return Point{}, fmt.Errorf("%q: %w", name, err)
		}
		p.Values[name] = v
	}
	if p.Step < 0 {
		return Point{}, errors.New("it has no step >= 0")
	}
	return p, nil
}

func parseNumber(blob json.RawMessage) (float64, error) {
	var v any
	if err := json.Unmarshal(blob, &v); err != nil {
		return 0, fmt.Errorf("got %.40s, want a number that float64 holds", blob)
	}
	switch v := v.(type) {
	case float64:
		return v, nil
	case string:
		switch v {
		case "NaN":
			return math.NaN(), nil
		case "+Inf":
			return math.Inf(1), nil
		case "-Inf":
			return math.Inf(-1), nil
		}
	}
	return 0, fmt.Errorf("got %.40s, want a number, \"NaN\", \"+Inf\" or \"-Inf\"", blob)
}
