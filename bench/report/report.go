// Package report tells what came of a run of the benchmark: a table for a person, JSON for a program, a chart for who would rather
// look.
package report

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"strings"
	"text/tabwriter"
	"time"

	"xtls-agent/bench/row"
)

// A Report is a whole run.
type Report struct {
	Date    string       `json:"date"`
	Machine Machine      `json:"machine"`
	Results []row.Result `json:"results"`
	Failed  []Failure    `json:"failed,omitempty"`
}

// A Failure is a row of which nothing can be said.
type Failure struct {
	Row string `json:"row"`
	Why string `json:"why"`
}

// New starts a report.
func New(now time.Time) *Report {
	return &Report{Date: now.UTC().Format(time.DateOnly), Machine: ThisMachine()}
}

// Met counts the figures that meet their aim.
func (r *Report) Met() (n int) {
	for _, result := range r.Results {
		if result.Met {
			n++
		}
	}
	return n
}

// WriteJSON writes all of it.
func (r *Report) WriteJSON(w io.Writer) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "\t")
	e.SetEscapeHTML(false)
	return e.Encode(r)
}

// ReadJSON reads what WriteJSON wrote.
func ReadJSON(from io.Reader) (*Report, error) {
	r := new(Report)
	if err := json.NewDecoder(from).Decode(r); err != nil {
		return nil, fmt.Errorf("reading an earlier report: %w", err)
	}
	return r, nil
}

// WriteTable writes the table for a terminal. Of an earlier run, if there is one, it tells whether this one lies within its spread.
func (r *Report) WriteTable(w io.Writer, earlier *Report) error {
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "row\tours\tbeside\tratio\tspread\taim\tmet\tlast run")
	for _, x := range r.Results {
		fmt.Fprintf(t, "%s\t%s\t%s %s\t%.2f\t%.2f–%.2f\t%s\t%s\t%s\n", label(x), Number(x.Ours.Median, x.Unit), x.Beside, Number(x.Peer.Median, x.Unit),
			x.Ratio.Median, x.Ratio.Low, x.Ratio.High, x.Aim, yes(x.Met), earlier.within(x))
	}
	for _, f := range r.Failed {
		fmt.Fprintf(t, "%s\tFAILED: %s\n", f.Row, f.Why)
	}
	return t.Flush()
}

// hundredths is a ratio as the table shows it: what counts of one program differ by is less.
func hundredths(ratio float64) float64 { return math.Round(ratio * 100) }

// within tells whether a figure lies within the spread that an earlier run stated for it.
func (r *Report) within(x row.Result) string {
	if r == nil {
		return "–"
	}
	for _, was := range r.Results {
		if was.Row == x.Row && was.Figure == x.Figure {
			if shown := hundredths(x.Ratio.Median); shown >= hundredths(was.Ratio.Low) && shown <= hundredths(was.Ratio.High) {
				return fmt.Sprintf("%.2f, within", was.Ratio.Median)
			}
			return fmt.Sprintf("%.2f, outside %.2f–%.2f", was.Ratio.Median, was.Ratio.Low, was.Ratio.High)
		}
	}
	return "–"
}

// Markdown is the table for docs/performance.md.
func (r *Report) Markdown() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %s: %d of %d aims met.\n\n", r.Date, r.Machine, r.Met(), len(r.Results)+len(r.Failed))
	b.WriteString("| what | ours | beside | its | ratio (spread) | aim | met |\n|---|---|---|---|---|---|---|\n")
	for _, x := range r.Results {
		what := x.What
		if x.Figure != "" {
			what += ", " + x.Figure
		}
		fmt.Fprintf(&b, "| %s | %s | %s | %s | **%.2f** (%.2f–%.2f) | %s | %s |\n", what, Number(x.Ours.Median, x.Unit), x.Beside,
			Number(x.Peer.Median, x.Unit), x.Ratio.Median, x.Ratio.Low, x.Ratio.High, x.Aim, yes(x.Met))
	}
	for _, f := range r.Failed {
		fmt.Fprintf(&b, "| %s | failed | | | | | no |\n", f.Row)
	}
	return b.String()
}

func label(x row.Result) string {
	if x.Figure == "" {
		return x.Row
	}
	return x.Row + " " + x.Figure
}

func yes(met bool) string {
	if met {
		return "yes"
	}
	return "no"
}

// Number writes a value with three digits that count, and its unit.
func Number(v float64, unit string) string {
	digits := 2 - int(math.Floor(math.Log10(math.Abs(v))))
	switch {
	case v == 0:
		digits = 0
	case digits < 0:
		digits = 0
	case digits > 6:
		digits = 6
	}
	return fmt.Sprintf("%.*f %s", digits, v, unit)
}
