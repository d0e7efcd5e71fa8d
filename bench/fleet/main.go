// Command fleet runs thousands of agents, the real ones, in this process against a cluster of two ejabberds: all log in, some are paired
// and controlled, one node is killed, and all come back. It prints what came of it as a table.
//
// "make fleet" runs 5,000, and writes the table in docs/fleet.md and docs/fleet.svg. "make fleet N=100" runs so many, and only prints.
package main

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"time"

	"xtls-agent/bench/row"
)

func main() {
	p := plan{progress: progressOf(time.Now())}
	flag.IntVar(&p.agents, "n", aimedAgents, "so many agents")
	flag.IntVar(&p.sample, "sample", 40, "so many of them are paired and controlled")
	flag.IntVar(&p.rate, "rate", 50, "so many are switched on each second")
	flag.DurationVar(&p.spread, "spread", 30*time.Second, "within which they come back, by chance, when their node has gone")
	flag.DurationVar(&p.idle, "idle", time.Minute, "for how long they are watched doing nothing")
	flag.StringVar(&p.heap, "heap", "", "write what the idle agents hold to this file, for go tool pprof")
	docs := flag.String("docs", "", "the folder of fleet.md, which is to have the table; none: it is only printed")
	flag.Parse()
	if err := run(p, *docs); err != nil {
		fmt.Fprintln(os.Stderr, "fleet:", err)
		os.Exit(1)
	}
}

func run(p plan, docs string) error {
	p.sample = min(p.sample, p.agents)
	if err := allowFiles(p.agents); err != nil {
		return err
	}
	var r *result
	err := row.Play("fleet", func(t *row.T) { r = play(t, p) })
	fmt.Fprintln(os.Stderr)
	if r == nil {
		return err
	}
	r.complain()
	err = errors.Join(err, r.writeTable(os.Stdout))
	if err == nil && docs != "" {
		err = r.write(docs)
	}
	return err
}

// complain says what the agents complained of, the most frequent first.
func (r *result) complain() {
	words := slices.SortedFunc(maps.Keys(r.Words), func(a, b string) int { return r.Words[b] - r.Words[a] })
	for _, w := range words[:min(len(words), 10)] {
		fmt.Fprintf(os.Stderr, "%d times: %s\n", r.Words[w], w)
	}
}

// write writes what stands in the folder of fleet.md.
func (r *result) write(docs string) error {
	page := filepath.Join(docs, "fleet.md")
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	changed, err := r.page(string(text))
	if err != nil {
		return fmt.Errorf("%s: %w", page, err)
	}
	return errors.Join(os.WriteFile(filepath.Join(docs, "fleet.svg"), r.chart(), 0o644), os.WriteFile(page, []byte(changed), 0o644))
}

// progressOf tells on standard error where it is and for how long it has been, on one line.
func progressOf(began time.Time) func(format string, args ...any) {
	return func(format string, args ...any) {
		fmt.Fprintf(os.Stderr, "\r\x1b[K%4.0f s  %s", time.Since(began).Seconds(), fmt.Sprintf(format, args...))
	}
}
