package fig

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"os"
	"path/filepath"
	"time"
)

const metricsFile = "metrics.json"

// metrics is the content of metrics.json.
type metrics struct {
	Notebook string  `json:"notebook"`
	Budget   string  `json:"budget"`
	Backend  string  `json:"backend"`
	Seconds  float64 `json:"seconds"`
	Checks   []row   `json:"checks"`
}

// row is a Check as JSON: numbers that are not finite are null, because JSON knows no NaN.
type row struct {
	ID     string   `json:"id"`
	What   string   `json:"what"`
	Value  *float64 `json:"value"`
	Exact  *float64 `json:"exact"`
	Bound  *float64 `json:"bound"`
	Op     string   `json:"op"`
	N      int      `json:"n"`
	Stderr *float64 `json:"stderr"`
	Pass   bool     `json:"pass"`
}

func rowOf(c Check) row {
	r := row{ID: c.ID, What: c.What, Value: orNull(c.Value), Bound: orNull(c.Bound), Op: c.Op, N: c.N, Stderr: orNull(c.Stderr), Pass: c.Pass}
	if c.Exact != nil {
		r.Exact = orNull(*c.Exact)
	}
	return r
}

func orNull(v float64) *float64 {
	if !isFinite(v) {
		return nil
	}
	return &v
}

// put replaces the row of the same id and what, or appends r; it reports whether r is new.
func (m *metrics) put(r row) bool {
	for i, old := range m.Checks {
		if old.ID == r.ID && old.What == r.What {
			m.Checks[i] = r
			return false
		}
	}
	m.Checks = append(m.Checks, r)
	return true
}

// update changes metrics.json; change reports whether it added something, which moves the notebook's clock on.
func (nb *Notebook) update(change func(*metrics) bool) error {
	nb.mu.Lock()
	defer nb.mu.Unlock()
	m, err := nb.load()
	if err != nil {
		return err
	}
	if isNew := change(m); isNew {
		if s, ok := nb.seconds(time.Now()); ok {
			m.Seconds = math.Round(s*10) / 10
		}
	}
	return nb.store(m)
}

// load reads metrics.json; a missing file is an empty one.
func (nb *Notebook) load() (*metrics, error) {
	m := &metrics{Notebook: nb.name, Budget: nb.budget, Checks: []row{}}
	data, err := os.ReadFile(filepath.Join(nb.dir, metricsFile))
	if errors.Is(err, fs.ErrNotExist) {
		return m, nil
	}
	if err != nil {
		return nil, fmt.Errorf("fig: reading %s: %w", metricsFile, err)
	}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("fig: %s is damaged (%w): run the notebook from its first cell", metricsFile, err)
	}
	if m.Notebook != nb.name || m.Budget != nb.budget {
		return nil, fmt.Errorf("fig: %s is of notebook %q with budget %q, this is %q with %q: run the notebook from its first cell",
			metricsFile, m.Notebook, m.Budget, nb.name, nb.budget)
	}
	return m, nil
}

func (nb *Notebook) store(m *metrics) error {
	var buf bytes.Buffer
	enc := json.NewEncoder(&buf)
	enc.SetIndent("", "  ")
	enc.SetEscapeHTML(false) // "<=" should read as such
	if err := enc.Encode(m); err != nil {
		return fmt.Errorf("fig: encoding %s: %w", metricsFile, err)
	}
	return nb.write(metricsFile, buf.Bytes())
}

func (nb *Notebook) clear() error {
	nb.mu.Lock()
	defer nb.mu.Unlock()
	return nb.store(&metrics{Notebook: nb.name, Budget: nb.budget, Checks: []row{}})
}

func (nb *Notebook) mkdir(sub string) error {
	if err := os.MkdirAll(filepath.Join(nb.dir, sub), 0o755); err != nil {
		return fmt.Errorf("fig: %w", err)
	}
	return nil
}
