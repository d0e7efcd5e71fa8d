package report

import (
	"fmt"
	"strings"
)

// Marks in docs/performance.md, between which the table stands.
const (
	tableBegin = "<!-- table: written by make bench -->\n"
	tableEnd   = "<!-- end of the table -->\n"
)

// Page puts the table into the text of a page.
func (r *Report) Page(text string) (string, error) {
	before, rest, ok := strings.Cut(text, tableBegin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return "", fmt.Errorf("the page has no place for the table: it wants the lines %q and %q", strings.TrimSpace(tableBegin), strings.TrimSpace(tableEnd))
	}
	return before + tableBegin + r.Markdown() + tableEnd + after, nil
}
