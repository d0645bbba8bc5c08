package sweep

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/BurntSushi/toml"

	"github.com/scoresde/scoresde/pkg/run"
)

// Table is what the trials of a plan found.
type Table struct {
	Name    string
	Axes    []string // keys that vary
	Metrics []string // names, in alphabetical order
	Rows    []Row    // every trial of the plan, in its order
	Notes   []string // what else a reader should know: which trials the plan dropped
}

// Row is one trial.
type Row struct {
	ID       string
	State    run.State          // "pending" where nobody began it
	Error    string             // of an attempt that failed
	Values   map[string]string  // of the axes
	Metrics  map[string]float64 // nil unless the trial is done
	Seconds  float64            // of the attempt that finished it
	Attempts int
}

// Collect reads what the trials of the plan in dir have found so far. Trials that are not done are rows too.
func Collect(dir string) (Table, error) {
	p, err := ReadPlan(dir)
	if err != nil {
		return Table{}, err
	}
	t := Table{Name: p.Name, Axes: p.Axes}
	names := map[string]bool{}
	for i, trial := range p.Trials {
		row, err := readRow(filepath.Join(dir, trial.ID))
		if err != nil {
			return Table{}, err
		}
		row.ID, row.Values = trial.ID, p.values(i)
		for name := range row.Metrics {
			names[name] = true
		}
		t.Rows = append(t.Rows, row)
	}
	t.Metrics = slices.Sorted(maps.Keys(names))
	return t, nil
}

func readRow(dir string) (Row, error) {
	state, status, err := stateOf(dir)
	if err != nil {
		return Row{}, err
	}
	row := Row{State: state, Attempts: status.Attempts}
	if state != run.Done {
		row.Error = status.Error
		return row, nil
	}
	r, err := readResult(dir)
	if err != nil || r == nil {
		return Row{State: run.Interrupted}, err
	}
	row.Seconds, row.Metrics = r.Seconds, make(map[string]float64, len(r.Metrics))
	for name, v := range r.Metrics {
		row.Metrics[name] = float64(v)
	}
	return row, nil
}

func (t *Table) noteRemoved(d Diff) {
	if n := len(d.Removed); n > 0 {
		t.Notes = append(t.Notes, fmt.Sprintf("%d trials of the plan before are no longer in it; their folders stay: %s",
			n, strings.Join(d.Removed, ", ")))
	}
}

// values are those of the axes in trial i, as text.
func (p Plan) values(i int) map[string]string {
	var tables map[string]any
	values := make(map[string]string, len(p.Axes))
	if _, err := toml.Decode(p.Trials[i].Config, &tables); err != nil {
		return values // of a plan that nobody can run
	}
	for _, key := range p.Axes {
		values[key] = valueText(lookUp(tables, key))
	}
	return values
}

func valueText(v any) string {
	switch v := v.(type) {
	case nil:
		return ""
	case float64:
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	return fmt.Sprint(v)
}

// Where keeps the rows in which an axis has a value, given as text or number, and forgets the axis.
func (t Table) Where(key string, value any) (Table, error) {
	if !slices.Contains(t.Axes, key) {
		return Table{}, fmt.Errorf("sweep: table %s has no axis %q, want one of %v", t.Name, key, t.Axes)
	}
	want := valueText(value)
	kept := t
	kept.Rows = nil
	kept.Axes = slices.DeleteFunc(slices.Clone(t.Axes), func(a string) bool { return a == key })
	for _, r := range t.Rows {
		if r.Values[key] == want {
			kept.Rows = append(kept.Rows, r)
		}
	}
	if kept.Rows == nil {
		return Table{}, fmt.Errorf("sweep: no trial of %s has %s = %s", t.Name, key, want)
	}
	return kept, nil
}

// Only keeps some metrics, in the order given.
func (t Table) Only(metrics ...string) (Table, error) {
	for _, m := range metrics {
		if !slices.Contains(t.Metrics, m) {
			return Table{}, fmt.Errorf("sweep: table %s has no metric %q, want some of %v", t.Name, m, t.Metrics)
		}
	}
	t.Metrics = metrics
	return t, nil
}

// text is the value of an axis or of a metric; ok is false where the row has neither.
func (r Row) text(key string) (value string, ok bool) {
	if v, ok := r.Values[key]; ok {
		return v, true
	}
	v, ok := r.Metrics[key]
	return strconv.FormatFloat(v, 'g', -1, 64), ok
}
