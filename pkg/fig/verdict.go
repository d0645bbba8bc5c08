package fig

import (
	"fmt"
	"os"
	"strconv"
	"strings"
)

// Verdict belongs in a notebook's last cell: it shows the table of all checks in metrics.json with budget, backend and
// time, and ends the cell with exit status 1 when a bound is missed or there is no check at all.
func (nb *Notebook) Verdict() {
	m := must(nb.load())
	showMarkdown(m.markdown())
	if err := m.verdict(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		exit(1) // not a panic: its stack trace would put machine paths into the report
	}
}

var exit = os.Exit

func (m *metrics) verdict() error {
	if len(m.Checks) == 0 {
		return fmt.Errorf("fig: notebook %s has no checks, want at least one", m.Notebook)
	}
	var missed []string
	for _, r := range m.Checks {
		if !r.Pass {
			missed = append(missed, r.ID+" "+r.What)
		}
	}
	if len(missed) > 0 {
		return fmt.Errorf("fig: notebook %s misses %d of %d bounds: %s", m.Notebook, len(missed), len(m.Checks), strings.Join(missed, "; "))
	}
	return nil
}

// markdown is the table of all checks with a summary line.
func (m *metrics) markdown() string {
	rows := make([][]string, len(m.Checks))
	passed := 0
	for i, r := range m.Checks {
		mark := "**missed**"
		if r.Pass {
			mark, passed = "yes", passed+1
		}
		rows[i] = []string{r.ID, r.What, number(r.Exact, 4), r.measured(), r.bound(), mark}
	}
	table := must(markdownTable([]string{"item", "what", "exact", "measured", "bound", "pass"}, rows))
	summary := fmt.Sprintf("%d of %d checks pass; budget %s", passed, len(m.Checks), m.Budget)
	if m.Backend != "" {
		summary += ", backend " + m.Backend
	}
	return table + "\n" + escapeMarkdown(fmt.Sprintf("%s, %s s.", summary, Num(m.Seconds, 3))) + "\n"
}

func (r row) measured() string {
	s := number(r.Value, 4)
	if r.Stderr != nil && *r.Stderr > 0 {
		s += " ± " + Num(*r.Stderr, 2)
	}
	return s
}

func (r row) bound() string {
	sign := map[string]string{"<=": "≤", ">=": "≥", "within": "±"}[r.Op]
	if sign == "" {
		sign = r.Op
	}
	if r.Bound == nil {
		return sign + " –"
	}
	return sign + " " + strconv.FormatFloat(*r.Bound, 'g', 4, 64)
}

// number formats what may be absent or was not finite.
func number(v *float64, digits int) string {
	if v == nil {
		return "–"
	}
	return Num(*v, digits)
}
