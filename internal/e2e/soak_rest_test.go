package e2e

import (
	"bytes"
	"fmt"
	"maps"
	"os"
	"regexp"
	"runtime/pprof"
	"slices"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// ownerLabel is carried by all goroutines of one talker.
const ownerLabel = "owner"

// rest is what the programs hold when nothing goes on: the device online, with a session of each talker.
type rest struct {
	descriptors int            // of the device
	goroutines  map[string]int // of the device, by what they run
	owners      map[string]int // goroutines of each talker
	connections int            // through all relays
}

// forgotten is how long the device may keep a session whose owner has gone without a word: it asks whether he is there.
const forgotten = 4 * time.Minute

// farewell is how long a session that has ended waits for its peer to say that he has heard of it, and a little.
const farewell = 6 * time.Second

// atRest lets it become quiet, and counts. The device tells its goroutines as every program in Go does: at SIGQUIT, which ends it.
func (s *soak) atRest() rest {
	s.Helper()
	talkers := []*talker{s.reader, s.counter}
	for _, k := range talkers {
		if k.session != nil && k.session.Ping(s.Context()) != nil {
			k.hangUp()
		}
		if k.session == nil && !k.connect() {
			s.FailNow()
		}
	}
	s.waitUntil("the end of sessions that nobody has", forgotten, func() bool {
		log := s.box.log.String()
		return strings.Count(log, "xtls: session open")-strings.Count(log, "session over") == len(talkers)
	})
	var r rest
	said, since := "", time.Time{}
	s.waitUntil("rest", time.Minute, func() bool {
		before, log := r, s.box.log.String()
		r = s.count(talkers)
		if log != said || r.descriptors != before.descriptors || r.connections != before.connections || !maps.Equal(r.owners, before.owners) {
			said, since = log, time.Now()
		}
		time.Sleep(200 * time.Millisecond)
		return time.Since(since) > farewell
	})
	r.goroutines = s.dump()
	for _, k := range talkers {
		k.hangUp()
	}
	s.box.start().online()
	return r
}

func (s *soak) count(talkers []*talker) rest {
	s.Helper()
	open, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", s.box.process.Process.Pid))
	if err != nil {
		s.Fatal(err)
	}
	r := rest{descriptors: len(open), owners: make(map[string]int)}
	for _, line := range s.lines {
		r.connections += line.Open()
	}
	for _, k := range talkers {
		r.owners[k.name] = goroutinesOf(k.labelled())
	}
	return r
}

var labelled = regexp.MustCompile(`(?m)^(\d+) @.*\n# labels: \{.*"` + ownerLabel + `":"([^"]*)"`)

// goroutinesOf counts the goroutines of this process that carry a label.
func goroutinesOf(label string) (n int) {
	var profile bytes.Buffer
	_ = pprof.Lookup("goroutine").WriteTo(&profile, 1) // a buffer takes everything
	for _, m := range labelled.FindAllStringSubmatch(profile.String(), -1) {
		if m[2] == label {
			count, _ := strconv.Atoi(m[1])
			n += count
		}
	}
	return n
}

// dump ends the device, and counts its goroutines by what they run.
func (s *soak) dump() map[string]int {
	s.Helper()
	log := s.box.log
	said := len(log.String())
	if code := s.box.end(syscall.SIGQUIT); code != 2 {
		s.Errorf("%s: exit code %d at SIGQUIT", s.name, code)
	}
	text := log.String()[said:]
	out := make(map[string]int)
	for stack := range strings.SplitSeq(text, "\n\n") {
		if strings.HasPrefix(stack, "goroutine ") {
			out[outermost(stack)]++
		}
	}
	if out[""] > 0 || len(out) < 5 {
		s.Errorf("%s: what the device says at SIGQUIT is not understood: %v\n%.2000s", s.name, out, text)
	}
	return out
}

// outermost is the first function that a goroutine runs, but for what only starts it; one of the runtime's if it has no other.
func outermost(stack string) (name string) {
	for line := range strings.Lines(stack) {
		call := strings.LastIndexByte(line, '(')
		switch {
		case line[0] == '\t', call <= 0, strings.HasPrefix(line, "created by "), strings.HasPrefix(line, "goroutine "):
		case name == "", !strings.HasPrefix(line, "runtime.") && !strings.HasPrefix(line, "sync.(*WaitGroup).Go"):
			name = line[:call]
		}
	}
	return name
}

// more fails the test for what there is more of than before.
func (r rest) more(s *soak, before rest) {
	s.Helper()
	if r.descriptors > before.descriptors {
		s.Errorf("%s: the device has %d descriptors, and had %d", s.name, r.descriptors, before.descriptors)
	}
	if r.connections > before.connections {
		s.Errorf("%s: %d connections, there were %d", s.name, r.connections, before.connections)
	}
	for who, n := range r.owners {
		if n > before.owners[who] {
			s.Errorf("%s: %s has %d goroutines, and had %d", s.name, who, n, before.owners[who])
		}
	}
	for _, what := range slices.Sorted(maps.Keys(r.goroutines)) {
		if n := r.goroutines[what]; n > before.goroutines[what] && !strings.Contains(what, "runtime") {
			s.Errorf("%s: the device has %d goroutines that run %s, and had %d", s.name, n, what, before.goroutines[what])
		}
	}
}
