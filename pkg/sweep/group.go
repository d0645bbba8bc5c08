package sweep

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/scoresde/scoresde/pkg/run"
)

// Stat is a mean over seeds.
type Stat struct {
	Mean float64 // not finite if a value is not; NaN where there is none
	SE   float64 // standard error of Mean; NaN for fewer than two values
	N    int     // values
}

// statOf takes the mean and its standard error s/sqrt(n), s with n - 1.
func statOf(values []float64) Stat {
	n := float64(len(values))
	mean, square := 0.0, 0.0
	for _, v := range values {
		mean += (v - values[0]) / n // exactly 0 where all are equal
	}
	if len(values) > 0 {
		mean += values[0]
	}
	for _, v := range values {
		square += (v - mean) * (v - mean)
	}
	s := Stat{Mean: mean, SE: math.Sqrt(square / (n - 1) / n), N: len(values)}
	if s.N == 0 {
		s.Mean = math.NaN()
	}
	if s.N < 2 {
		s.SE = math.NaN()
	}
	return s
}

// String is "mean ± s.e." with the digits that the error leaves meaningful, the mean alone where there is no error.
func (s Stat) String() string {
	switch {
	case s.N == 0:
		return "-"
	case !(s.SE > 0) || math.IsInf(s.SE, 0):
		return strconv.FormatFloat(s.Mean, 'g', 4, 64)
	}
	// Two digits of the error, and the mean to the same place.
	place := int(math.Floor(math.Log10(s.SE))) - 1
	if place > 0 || place < -8 {
		return fmt.Sprintf("%.4g ± %.2g", s.Mean, s.SE)
	}
	return fmt.Sprintf("%.*f ± %.*f", -place, s.Mean, -place, s.SE)
}

// Group is the trials that differ in their seed alone.
type Group struct {
	Values  map[string]string // of the axes but the seed
	Done    int
	Missing int // failed or not done yet
	Stats   map[string]Stat
}

// Keys are the axes but the seed.
func (t Table) Keys() []string {
	return slices.DeleteFunc(slices.Clone(t.Axes), func(a string) bool { return a == SeedKey })
}

// Groups takes means over seeds, in the order of the plan.
func (t Table) Groups() []Group {
	var groups []Group
	var members [][]Row
	of := map[string]int{}
	keys := t.Keys()
	for _, r := range t.Rows {
		id := ""
		for _, key := range keys {
			id += strconv.Quote(r.Values[key])
		}
		k, ok := of[id]
		if !ok {
			k, of[id] = len(groups), len(groups)
			groups, members = append(groups, Group{Values: map[string]string{}}), append(members, nil)
			for _, key := range keys {
				groups[k].Values[key] = r.Values[key]
			}
		}
		members[k] = append(members[k], r)
	}
	for k := range groups {
		groups[k].fill(t.Metrics, members[k])
	}
	return groups
}

func (g *Group) fill(metrics []string, rows []Row) {
	g.Stats = make(map[string]Stat, len(metrics))
	for _, r := range rows {
		if r.State == run.Done {
			g.Done++
		} else {
			g.Missing++
		}
	}
	for _, m := range metrics {
		var values []float64
		for _, r := range rows {
			if v, ok := r.Metrics[m]; ok {
				values = append(values, v)
			}
		}
		g.Stats[m] = statOf(values)
	}
}

// Markdown is a table of the groups, mean ± s.e. over seeds with the number of trials, followed by every trial that is not
// done and by the notes.
func (t Table) Markdown() string {
	keys := t.Keys()
	rows := [][]string{slices.Concat(keys, []string{"trials"}, t.Metrics)}
	for _, g := range t.Groups() {
		var row []string
		for _, key := range keys {
			row = append(row, g.Values[key])
		}
		n := fmt.Sprint(g.Done)
		if g.Missing > 0 {
			n = fmt.Sprintf("%d of %d", g.Done, g.Done+g.Missing)
		}
		row = append(row, n)
		for _, m := range t.Metrics {
			row = append(row, g.Stats[m].String())
		}
		rows = append(rows, row)
	}
	return markdown(rows) + t.footer()
}

// footer lists what is not done, and the notes.
func (t Table) footer() string {
	var b strings.Builder
	for _, r := range t.Rows {
		if r.State == run.Done {
			continue
		}
		fmt.Fprintf(&b, "- %s: %s", r.State, r.ID)
		for _, key := range t.Axes {
			fmt.Fprintf(&b, ", %s %s", key, r.Values[key])
		}
		if r.Error != "" {
			fmt.Fprintf(&b, ": %s", r.Error)
		}
		b.WriteString("\n")
	}
	for _, n := range t.Notes {
		fmt.Fprintf(&b, "- %s\n", n)
	}
	if b.Len() == 0 {
		return ""
	}
	lines := strings.Split(strings.TrimSuffix(b.String(), "\n"), "\n- ")
	for i := range lines {
		lines[i] = escape(lines[i])
	}
	return "\n" + strings.Join(lines, "\n- ") + "\n"
}

// markdown writes rows, the first of them the header.
func markdown(rows [][]string) string {
	var b strings.Builder
	for i, row := range rows {
		for _, cell := range row {
			b.WriteString("| " + escape(cell) + " ")
		}
		b.WriteString("|\n")
		if i == 0 {
			b.WriteString(strings.Repeat("|---", len(row)) + "|\n")
		}
	}
	return b.String()
}

// escape keeps a text inside its cell and line, and free of HTML.
func escape(s string) string { return strings.Join(strings.Fields(escapes.Replace(s)), " ") }

var escapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", "|", `\|`)
