package fig

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// Table shows a table in the notebook (outside one, prints it as Markdown). Every row needs as many cells as the header.
// Cells are plain text, in which $...$ is set as a formula.
func Table(header []string, rows [][]string) { showMarkdown(must(markdownTable(header, rows))) }

// Markdown shows a text, such as the table of a sweep, in the notebook (outside one, prints it as it is).
func Markdown(text string) { showMarkdown(text) }

func markdownTable(header []string, rows [][]string) (string, error) {
	if len(header) == 0 {
		return "", fmt.Errorf("fig: table without columns")
	}
	var b strings.Builder
	line := func(cells []string) {
		for _, c := range cells {
			b.WriteString("| " + escapeMarkdown(c) + " ")
		}
		b.WriteString("|\n")
	}
	line(header)
	b.WriteString(strings.Repeat("|---", len(header)) + "|\n")
	for i, r := range rows {
		if len(r) != len(header) {
			return "", fmt.Errorf("fig: table row %d has %d cells, want %d as in the header", i, len(r), len(header))
		}
		line(r)
	}
	return b.String(), nil
}

// escapeMarkdown keeps a text inside its table cell and free of HTML.
func escapeMarkdown(s string) string {
	return strings.Join(strings.Fields(markdownEscapes.Replace(s)), " ")
}

var markdownEscapes = strings.NewReplacer("&", "&amp;", "<", "&lt;", "|", `\|`)

// Num formats v to the given number of significant digits: 0.00219, 4.067, 20000; below 1e-4 and from 1e7 on with an
// exponent.
func Num(v float64, digits int) string {
	if v == 0 || !isFinite(v) {
		return strconv.FormatFloat(v, 'g', -1, 64)
	}
	digits = max(digits, 1)
	mantissa, exp, _ := strings.Cut(strconv.FormatFloat(v, 'e', digits-1, 64), "e")
	e, _ := strconv.Atoi(exp) // the exponent after rounding
	if e < -4 || e >= 7 {
		return mantissa + "e" + strconv.Itoa(e)
	}
	if e >= digits { // more digits before the point than asked for: all of them are written
		return strconv.FormatFloat(math.Round(v), 'f', 0, 64)
	}
	return strconv.FormatFloat(v, 'f', digits-1-e, 64)
}
