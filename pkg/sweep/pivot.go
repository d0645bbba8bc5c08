package sweep

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"gonum.org/v1/gonum/mat"
)

// Pivot is a table of one metric over two keys: Cells[i][k] belongs to Rows[i] and Columns[k].
type Pivot struct {
	Row, Column, Metric string
	Rows, Columns       []string
	Cells               [][]Stat
}

// Pivot spreads a metric, mean over seeds, over a row and a column key: axes, or metrics that are equal over seeds, such
// as the number of evaluations of the score, for columns of equal cost. Keys joined by + make one, as in
// "predictor+corrector". Trials that share a cell must differ in their seed alone: Where picks a value of other axes.
// Cells without trials have N = 0.
func (t Table) Pivot(row, column, metric string) (Pivot, error) {
	p := Pivot{Row: row, Column: column, Metric: metric}
	if !slices.Contains(t.Metrics, metric) {
		return p, fmt.Errorf("sweep: table %s has no metric %q, want one of %v", t.Name, metric, t.Metrics)
	}
	type at struct{ row, column string }
	values, first := map[at][]float64{}, map[at]Row{}
	for _, r := range t.Rows {
		v, ok := r.Metrics[metric]
		if !ok {
			continue // the table lists it among what is not done
		}
		a, err := r.joined(row)
		if err != nil {
			return p, err
		}
		b, err := r.joined(column)
		if err != nil {
			return p, err
		}
		cell := at{a, b}
		if other, ok := first[cell]; !ok {
			first[cell] = r
		} else if key := t.difference(other, r); key != "" {
			return p, fmt.Errorf("sweep: %s by %s and %s: trials with %s, %s differ in %s too: pick one of its values by Where",
				metric, row, column, a, b, key)
		}
		values[cell] = append(values[cell], v)
		p.Rows, p.Columns = with(p.Rows, a), with(p.Columns, b)
	}
	sortNumbers(p.Rows)
	sortNumbers(p.Columns)
	for _, a := range p.Rows {
		var line []Stat
		for _, b := range p.Columns {
			line = append(line, statOf(values[at{a, b}]))
		}
		p.Cells = append(p.Cells, line)
	}
	return p, nil
}

// joined is the value of a key, or those of several joined by +.
func (r Row) joined(keys string) (string, error) {
	var parts []string
	for key := range strings.SplitSeq(keys, "+") {
		v, ok := r.text(key)
		if !ok {
			return "", fmt.Errorf("sweep: trial %s has no axis and no metric %q", r.ID, key)
		}
		parts = append(parts, v)
	}
	return strings.Join(parts, " + "), nil
}

// difference is an axis, other than the seed, in which two trials differ.
func (t Table) difference(a, b Row) string {
	for _, key := range t.Keys() {
		if a.Values[key] != b.Values[key] {
			return key
		}
	}
	return ""
}

func with(list []string, v string) []string {
	if slices.Contains(list, v) {
		return list
	}
	return append(list, v)
}

// sortNumbers sorts a list of numbers; other lists keep the order of the plan.
func sortNumbers(list []string) {
	for _, v := range list {
		if _, err := strconv.ParseFloat(v, 64); err != nil {
			return
		}
	}
	slices.SortStableFunc(list, func(a, b string) int {
		x, _ := strconv.ParseFloat(a, 64)
		y, _ := strconv.ParseFloat(b, 64)
		switch {
		case x < y:
			return -1
		case x > y:
			return 1
		}
		return 0
	})
}

// Means is the matrix [rows, columns] of the means, NaN where there are no trials: the data of a heat map.
func (p Pivot) Means() *mat.Dense {
	if len(p.Rows) == 0 {
		return nil
	}
	m := mat.NewDense(len(p.Rows), len(p.Columns), nil)
	for i := range p.Rows {
		for k := range p.Columns {
			m.Set(i, k, p.Cells[i][k].Mean)
		}
	}
	return m
}

// Markdown is the table, mean ± s.e.
func (p Pivot) Markdown() string {
	head := []string{p.Metric + ": " + p.Row}
	for _, c := range p.Columns {
		head = append(head, p.Column+" "+c)
	}
	rows := [][]string{head}
	for i, name := range p.Rows {
		row := []string{name}
		for _, s := range p.Cells[i] {
			row = append(row, s.String())
		}
		rows = append(rows, row)
	}
	return markdown(rows)
}

// Line is one curve with a band of one standard error about it.
type Line struct {
	Name            string
	X, Y, Low, High []float64
}

// Lines are the curves of a metric over a numeric axis x, one for each value of series, by the rules of Pivot. Means that
// are not finite are left out; a mean without standard error has a band of no width.
func (t Table) Lines(x, series, metric string) ([]Line, error) {
	p, err := t.Pivot(series, x, metric)
	if err != nil {
		return nil, err
	}
	lines := make([]Line, len(p.Rows))
	for i, name := range p.Rows {
		lines[i].Name = name
		for k, column := range p.Columns {
			at, err := strconv.ParseFloat(column, 64)
			if err != nil {
				return nil, fmt.Errorf("sweep: lines over %s: got %q, want numbers", x, column)
			}
			s := p.Cells[i][k]
			if s.N == 0 || math.IsNaN(s.Mean) || math.IsInf(s.Mean, 0) {
				continue
			}
			se := s.SE
			if math.IsNaN(se) {
				se = 0
			}
			l := &lines[i]
			l.X, l.Y, l.Low, l.High = append(l.X, at), append(l.Y, s.Mean), append(l.Low, s.Mean-se), append(l.High, s.Mean+se)
		}
	}
	return lines, nil
}
