package fig

import (
	"fmt"
	"math"
	"regexp"
	"time"
)

// Check is one claim of a notebook: a measured value, what it should be, and how far it may be off.
type Check struct {
	ID     string   // item of the source document, "000-14"
	What   string   // what was measured; ID and What together name the check
	Value  float64  // the measured value
	Exact  *float64 // its exact value, new(0.2); nil where none is known
	Bound  float64  // the bound that Op compares with
	Op     string   // "<=", "<", ">=", ">": Value Op Bound;  "within": |Value - Exact| <= Bound
	N      int      // number of samples behind Value, 0 if it is not statistical
	Stderr float64  // standard error of Value, 0 if it is not statistical
	Pass   bool     // set by Notebook.Check
}

// Check decides c.Pass and records c in metrics.json, in place of an earlier row of the same ID and What; the notebook
// goes on when the bound is missed (Verdict stops it). A value, exact value or bound that is not finite fails the check
// and is stored as null. It panics on a check that makes no sense (no ID or What, unknown Op, "within" without Exact)
// and when the file cannot be written.
func (nb *Notebook) Check(c Check) { must(nb.record(c)) }

func (nb *Notebook) record(c Check) (Check, error) {
	pass, err := c.holds()
	if err != nil {
		return c, err
	}
	c.Pass = pass
	return c, nb.update(func(m *metrics) bool { return m.put(rowOf(c)) })
}

// holds evaluates the bound.
func (c Check) holds() (bool, error) {
	if c.ID == "" || c.What == "" {
		return false, fmt.Errorf("fig: check with ID %q and What %q, want both", c.ID, c.What)
	}
	compare, ok := ops[c.Op]
	if !ok {
		return false, fmt.Errorf("fig: check %s %q has Op %q, want <=, <, >=, > or within", c.ID, c.What, c.Op)
	}
	if c.Op == "within" && c.Exact == nil {
		return false, fmt.Errorf("fig: check %s %q has Op \"within\" and no Exact", c.ID, c.What)
	}
	if !isFinite(c.Value) || !isFinite(c.Bound) || c.Exact != nil && !isFinite(*c.Exact) {
		return false, nil
	}
	return compare(c), nil
}

var ops = map[string]func(Check) bool{
	"<=":     func(c Check) bool { return c.Value <= c.Bound },
	"<":      func(c Check) bool { return c.Value < c.Bound },
	">=":     func(c Check) bool { return c.Value >= c.Bound },
	">":      func(c Check) bool { return c.Value > c.Bound },
	"within": func(c Check) bool { return math.Abs(c.Value-*c.Exact) <= c.Bound },
}

func isFinite(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }

// Begin belongs in a notebook's first cell: it empties metrics.json, so that no row of an earlier run survives, and
// starts the notebook's clock. "seconds" in metrics.json is the wall time from here to the latest new check; running a
// single cell again replaces its rows and leaves the seconds alone.
func (nb *Notebook) Begin() {
	try(nb.startClock(time.Now()))
	try(nb.clear())
}

// Backend notes in metrics.json what the notebook ran on, in a few words. Paths have no place in a report: it panics
// on a description that holds one.
func (nb *Notebook) Backend(description string) { try(nb.setBackend(description)) }

var pathLike = regexp.MustCompile(`(^|[\s"'(=:])(~?/|[A-Za-z]:\\)\S`)

func (nb *Notebook) setBackend(description string) error {
	if pathLike.MatchString(description) {
		return fmt.Errorf("fig: backend description %q holds a path, want a short name and version", description)
	}
	return nb.update(func(m *metrics) bool {
		isNew := m.Backend == ""
		m.Backend = description
		return isNew
	})
}
