package report

import (
	"fmt"
	"strings"
)

// tableEnd ends a table in a page of docs; tableBegin begins the one that a target of make writes.
const tableEnd = "<!-- end of the table -->\n"

func tableBegin(target string) string { return "<!-- table: written by make " + target + " -->\n" }

// Page puts the table into the text of a page, where the table of that target of make stands.
func (r *Report) Page(text, target string) (string, error) { return Put(text, target, r.Markdown()) }

// Put puts a table into the text of a page, where the table of that target of make stands.
func Put(text, target, table string) (string, error) {
	begin := tableBegin(target)
	before, rest, ok := strings.Cut(text, begin)
	_, after, ok2 := strings.Cut(rest, tableEnd)
	if !ok || !ok2 {
		return "", fmt.Errorf("the page has no place for the table: it wants the lines %q and %q", strings.TrimSpace(begin), strings.TrimSpace(tableEnd))
	}
	return before + begin + table + tableEnd + after, nil
}
