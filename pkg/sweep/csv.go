package sweep

import (
	"encoding/csv"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"github.com/scoresde/scoresde/pkg/run"
)

// CSV has one line per trial, numbers in full: id, state, the values of the axes, the metrics, and the error of those
// that failed.
func (t Table) CSV() string {
	var b strings.Builder
	w := csv.NewWriter(&b)
	w.Write(slices.Concat([]string{"id", "state"}, t.Axes, t.Metrics, []string{"error"}))
	for _, r := range t.Rows {
		line := []string{r.ID, string(r.State)}
		for _, key := range t.Axes {
			line = append(line, r.Values[key])
		}
		for _, m := range t.Metrics {
			cell := ""
			if v, ok := r.Metrics[m]; ok {
				cell = strconv.FormatFloat(v, 'g', -1, 64)
			}
			line = append(line, cell)
		}
		w.Write(append(line, r.Error))
	}
	w.Flush() // a strings.Builder does not fail
	return b.String()
}

// Trials is a Markdown table with one line per trial.
func (t Table) Trials() string {
	rows := [][]string{slices.Concat([]string{"id", "state", "attempts"}, t.Axes, t.Metrics)}
	for _, r := range t.Rows {
		row := []string{r.ID, string(r.State), fmt.Sprint(r.Attempts)}
		for _, key := range t.Axes {
			row = append(row, r.Values[key])
		}
		for _, m := range t.Metrics {
			cell := "-"
			if v, ok := r.Metrics[m]; ok && r.State == run.Done {
				cell = strconv.FormatFloat(v, 'g', 5, 64)
			}
			row = append(row, cell)
		}
		rows = append(rows, row)
	}
	return markdown(rows) + t.footer()
}
