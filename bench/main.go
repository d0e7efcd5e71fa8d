// Command bench times xtls-agent beside the programs that people would use instead, and says as ratios how the two compare.
//
// "make bench" runs all rows, prints a table, and writes docs/performance.json, docs/performance.svg and the table in
// docs/performance.md. "make bench ROW=handshake" runs the rows with that in their name, and only prints. "make bench-idle" has a table of
// its own there, and docs/performance-idle.json, since it takes an hour; with IDLE_FOR it takes less, and only prints.
//
// It is a module of its own, so that the programs which we compare ourselves with are no dependencies of xtls-agent.
package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"time"

	"xtls-agent/bench/idle"
	"xtls-agent/bench/report"
	"xtls-agent/bench/row"
)

// errFailed says that a row failed; the table has said which.
var errFailed = errors.New("some rows failed")

func main() {
	pattern := flag.String("row", "", "run only the rows whose names match this regular expression")
	docs := flag.String("docs", "../docs", "the folder of performance.md")
	idleFor := flag.Duration("idle", 0, "instead of all that, do nothing for so long, and tell what that costs")
	flag.Parse()
	j, err := bench(*pattern), error(nil)
	if *idleFor != 0 {
		j, err = benchIdle(*idleFor)
	}
	if err == nil {
		err = j.run(os.Stdout, *pattern, *docs)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "bench:", err)
		os.Exit(1)
	}
}

// A job is what a target of make asks for.
type job struct {
	target  string // of make, whose table is in performance.md
	numbers string // the file of numbers beside it
	chart   string // and of the picture; none if empty
	rows    []row.Row
	whole   bool // not a sample of it: what comes of it is written down
}

func bench(pattern string) job {
	return job{target: "bench", numbers: "performance.json", chart: "performance.svg", rows: rows(), whole: pattern == ""}
}

func benchIdle(lasts time.Duration) (job, error) {
	if lasts < idle.Shortest {
		return job{}, fmt.Errorf("idle for %v at least: some have nothing to say to the server before", idle.Shortest)
	}
	tell := func(done time.Duration) {
		fmt.Fprintf(os.Stderr, "\r\x1b[Kidle for %v of %v", done.Round(time.Second), lasts)
	}
	return job{target: "bench-idle", numbers: "performance-idle.json", rows: idle.Rows(lasts, tell), whole: lasts == time.Hour}, nil
}

func (j job) run(out io.Writer, pattern, docs string) error {
	match, err := regexp.Compile(pattern)
	if err != nil {
		return err
	}
	chosen := slices.DeleteFunc(j.rows, func(r row.Row) bool { return !match.MatchString(r.Name) })
	if len(chosen) == 0 {
		return fmt.Errorf("no row is called %q", pattern)
	}
	earlier, err := readEarlier(filepath.Join(docs, j.numbers))
	if err != nil {
		return err
	}
	r := play(chosen)
	if err := r.WriteTable(out, earlier); err != nil {
		return err
	}
	if j.whole {
		err = j.write(r, docs)
	}
	if len(r.Failed) > 0 {
		err = errors.Join(err, errFailed)
	}
	return err
}

// play runs the rows one after the other, and tells on standard error where it is.
func play(chosen []row.Row) *report.Report {
	r := report.New(time.Now())
	for i, x := range chosen {
		start := time.Now()
		results, err := row.Run(x, func(done int) {
			fmt.Fprintf(os.Stderr, "\r\x1b[K%d of %d  %s  %d of %d pairs", i+1, len(chosen), x.Name, done, x.Pairs)
		})
		fmt.Fprintf(os.Stderr, "\r\x1b[K%d of %d  %s  %.1f s\n", i+1, len(chosen), x.Name, time.Since(start).Seconds())
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
			r.Failed = append(r.Failed, report.Failure{Row: x.Name, Why: err.Error()})
		}
		r.Results = append(r.Results, results...)
	}
	return r
}

func readEarlier(path string) (*report.Report, error) {
	f, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return report.ReadJSON(f)
}

// write writes what stands in the folder of performance.md.
func (j job) write(r *report.Report, docs string) error {
	page := filepath.Join(docs, "performance.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	changed, err := r.Page(string(text), j.target)
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	numbers, err := os.Create(filepath.Join(docs, j.numbers))
	if err != nil {
		return err
	}
	err = errors.Join(r.WriteJSON(numbers), numbers.Close(), os.WriteFile(page, []byte(changed), 0o644))
	if j.chart != "" {
		err = errors.Join(err, os.WriteFile(filepath.Join(docs, j.chart), r.Chart(), 0o644))
	}
	return err
}
