package e2e

import (
	"os"
	"strings"
	"sync"
	"sync/atomic"

	"xtls-agent/internal/faults"
)

// tally is what is counted while it goes on.
type tally struct {
	cuts     atomic.Int64    // connections that were cut, opened by half or corrupted
	touching atomic.Int64    // of them those beneath a session that stays
	others   atomic.Int64    // other faults
	numbers  atomic.Int64    // of calls that were begun
	calls    atomic.Int64    // that have ended, with whatever result
	bytes    atomic.Int64    // of pages that were read
	opened   atomic.Int64    // sessions of those who keep one
	lost     atomic.Int64    // of them, because one ended
	again    atomic.Int64    // calls that were asked for again
	unknown  atomic.Int64    // calls whose outcome the device does not know, or not any more
	unmade   atomic.Int64    // calls that did not come to be made
	passing  [2]atomic.Int64 // streams that were resumed, and not, of programs that have ended

	mu     sync.Mutex // guards wanted
	wanted map[string]fate
}

// fate is what may have come of a call, by what its caller was told.
type fate int

const (
	hasRun fate = iota
	hasNotRun
	mayHaveRun
)

func (f fate) String() string { return [...]string{"done", "not run", "unknown"}[f] }

// What the links of both programs say in their logs of a stream: that it was resumed, and that it was not.
var streamLines = [2]string{"resumed the stream", "could not resume it"}

// spoilt counts a fault; beneath says that a session that stays goes over that line.
func (t *tally) spoilt(f faults.Fault, met int, beneath bool) {
	switch {
	case met == 0:
	case f.Kind.Ends():
		t.cuts.Add(int64(met))
		if beneath {
			t.touching.Add(int64(met))
		}
	default:
		t.others.Add(1)
	}
}

// callUnknown counts a call of which nobody knows what came.
func (s *soak) callUnknown(who string, why any) {
	s.unknown.Add(1)
	s.tell("a call of the %s is unknown: %v", who, why)
}

// expect notes what must have come of a call.
func (t *tally) expect(who string, f fate) {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wanted == nil {
		t.wanted = make(map[string]fate)
	}
	t.wanted[who] = f
}

// checkRuns holds every call to what was said of it: none ran twice, and none is lost that was not called unknown.
func (s *soak) checkRuns() {
	s.Helper()
	data, err := os.ReadFile(s.runs)
	if err != nil {
		s.Fatal(err)
	}
	ran := make(map[string]int)
	for who := range strings.FieldsSeq(string(data)) {
		ran[who]++
	}
	s.tally.mu.Lock()
	defer s.tally.mu.Unlock()
	for who, f := range s.wanted {
		n := ran[who]
		if n > 1 || n == 0 && f == hasRun || n == 1 && f == hasNotRun {
			s.Errorf("%s: %s ran %d times, and was called %v", s.name, who, n, f)
		}
		delete(ran, who)
	}
	for who, n := range ran {
		s.Errorf("%s: nobody called as %s, and it ran %d times", s.name, who, n)
	}
}

// resumed counts the streams that were resumed so far, of all programs.
func (s *soak) resumed() int { return s.streams(0) }

// boundAnew counts those that were not.
func (s *soak) boundAnew() int { return s.streams(1) }

func (s *soak) streams(line int) int {
	n := int(s.passing[line].Load())
	s.world.mu.Lock()
	defer s.world.mu.Unlock()
	for _, log := range s.logs {
		if strings.HasSuffix(log.name, "'s log") { // the device's, and of who stays
			n += strings.Count(log.String(), streamLines[line])
		}
	}
	return n
}
