package e2e

import (
	"cmp"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// report tells how it goes, and what came of it.
type report struct {
	seed  uint64
	begun time.Time
	every time.Duration

	mu    sync.Mutex // guards soaks
	soaks []*soak

	stop, stopped chan struct{}
}

// progressEvery is how often a line is said of each venue, at most.
const progressEvery = 15 * time.Second

func newReport(t *testing.T, seed uint64, lasts time.Duration) *report {
	t.Helper()
	r := &report{seed: seed, begun: time.Now(), every: max(progressEvery, lasts/100), stop: make(chan struct{}), stopped: make(chan struct{})}
	if testing.Verbose() {
		fmt.Printf("seed %d\n", seed)
	}
	go r.tell()
	return r
}

func (r *report) add(s *soak) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.soaks = append(r.soaks, s)
	slices.SortFunc(r.soaks, func(a, b *soak) int { return cmp.Compare(a.seed, b.seed) }) // as the venues are listed
}

// tell tells how it goes, where somebody looks.
func (r *report) tell() {
	defer close(r.stopped)
	if !testing.Verbose() {
		<-r.stop
		return
	}
	for {
		select {
		case <-r.stop:
			return
		case <-time.After(r.every):
		}
		r.mu.Lock()
		for _, s := range r.soaks {
			fmt.Printf("%6v  %-15s %v\n", time.Since(r.begun).Round(time.Second), s.name, s)
		}
		r.mu.Unlock()
	}
}

// tell tells of something that is rare.
func (s *soak) tell(format string, args ...any) {
	line := fmt.Sprintf(format, args...)
	fmt.Fprintln(s.events, line)
	if testing.Verbose() {
		fmt.Printf("        %-15s %s: %s\n", s.name, time.Now().UTC().Format("15:04:05.000"), line)
	}
}

func (s *soak) String() string {
	return fmt.Sprintf("%d cuts, %d other faults, streams resumed %d, bound anew %d, sessions lost %d; ",
		s.cuts.Load(), s.others.Load(), s.resumed(), s.boundAnew(), s.lost.Load()) +
		fmt.Sprintf("%d calls, %.1f MiB, asked again %d, unknown %d, not made %d",
			s.calls.Load(), mebibytes(s.bytes.Load()), s.again.Load(), s.unknown.Load(), s.unmade.Load())
}

func mebibytes(n int64) float64 { return float64(n) / (1 << 20) }

// finish tells what came of it, and writes that down where the environment says.
func (r *report) finish(t *testing.T) {
	t.Helper()
	close(r.stop)
	<-r.stopped
	table := r.table()
	t.Logf("\n%s", table)
	path := os.Getenv("XTLS_TABLE")
	if path == "" || t.Failed() {
		return
	}
	if err := rewrite(path, table); err != nil {
		t.Error(err)
	}
}

// table is what came of it, for docs/reliability.md. What must not happen has failed the test before, and so there are none.
func (r *report) table() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%s, %v, seed %d.\n\n", time.Now().Format("2 January 2006"), time.Since(r.begun).Round(time.Second), r.seed)
	rows := []struct {
		name string
		of   func(*soak) any
	}{
		{"connections cut", func(s *soak) any { return s.cuts.Load() }},
		{"of them beneath a session that stays", func(s *soak) any { return s.touching.Load() }},
		{"sessions lost by that", func(s *soak) any { return s.lost.Load() }},
		{"other faults", func(s *soak) any { return s.others.Load() }},
		{"streams resumed", func(s *soak) any { return s.resumed() }},
		{"streams bound anew", func(s *soak) any { return s.boundAnew() }},
		{"calls", func(s *soak) any { return s.calls.Load() }},
		{"asked again", func(s *soak) any { return s.again.Load() }},
		{"not made, and called so", func(s *soak) any { return s.unmade.Load() }},
		{"unknown, and called so", func(s *soak) any { return s.unknown.Load() }},
		{"**run twice, or lost without a word**", func(*soak) any { return 0 }},
		{"MiB read in pages", func(s *soak) any { return fmt.Sprintf("%.1f", mebibytes(s.bytes.Load())) }},
		{"**bytes wrong**", func(*soak) any { return 0 }},
		{"**goroutines, descriptors, connections more than before**", func(*soak) any { return 0 }},
	}
	b.WriteString("|")
	for _, s := range r.soaks {
		b.WriteString(" | " + s.name)
	}
	b.WriteString(" |\n|---" + strings.Repeat("|---:", len(r.soaks)) + "|\n")
	for _, row := range rows {
		b.WriteString("| " + row.name)
		for _, s := range r.soaks {
			fmt.Fprintf(&b, " | %v", row.of(s))
		}
		b.WriteString(" |\n")
	}
	return b.String()
}

// The table stands between these.
const (
	tableBegin = "<!-- result: written by make soak -->\n"
	tableEnd   = "<!-- end of result -->"
)

// rewrite puts a table in the place of the one that stands in a file.
func rewrite(path, table string) error {
	data, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	before, rest, ok := strings.Cut(string(data), tableBegin)
	_, after, ended := strings.Cut(rest, tableEnd)
	if !ok || !ended {
		return fmt.Errorf("%s has no place for the result: it stands between %q and %q", path, strings.TrimSpace(tableBegin), tableEnd)
	}
	return os.WriteFile(path, []byte(before+tableBegin+table+tableEnd+after), 0o644)
}
