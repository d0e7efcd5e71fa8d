package control

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"
)

// State is what the thing is that a command controls: a lamp that is on, a room of 21.5 °C.
type State struct {
	Word    string // in a word or a line: "on"; "" while it is not known
	Motion  string // what it does by itself, "pulsing" or "blinking", or ""
	Unknown string // why it is not known, in a line; "" while it is
}

// String returns the state in a line for people: "on", "on, pulsing", "blinking", "unknown: GPIO27 is in use".
func (s State) String() string {
	switch {
	case s.Unknown != "":
		return "unknown: " + s.Unknown
	case s.Motion == motionBlinking:
		return s.Motion
	case s.Motion != "":
		return s.Word + ", " + s.Motion
	}
	return s.Word
}

// is reports whether nobody needs to be told of t after s: of each blink he does not.
func (s State) is(t State) bool {
	return s == t || s.Motion == motionBlinking && t.Motion == motionBlinking
}

// maxState bounds the words of a state, in bytes of their escaped form.
const maxState = 200

// cleaned is the state as XML can carry and a terminal can show it, each of its parts in a line.
func (s State) cleaned() State {
	for _, text := range []*string{&s.Word, &s.Motion, &s.Unknown} {
		*text, _ = cleanUpTo(*text, maxState)
	}
	return s
}

// StateSource tells what the thing is that a command controls.
type StateSource struct {
	// Read asks the thing. Its error says in a line why the state is not known.
	Read func(ctx context.Context) (State, error)

	// Every is how often the thing is asked besides after each run of the command; default 30 s.
	Every time.Duration

	// Subscribe has changed called when the thing may have changed by itself, from any goroutine, until stop is called. It does
	// not block, and neither does changed. Nil: nothing tells.
	Subscribe func(changed func()) (stop func())
}

// Report is the state of a command.
type Report struct {
	Command string
	State
	Since time.Time // when the state became this one, or unknown
}

// inWords is the report in a line; of a state that is not known it says for how long.
func (r Report) inWords() string {
	if r.Unknown == "" {
		return r.Command + ": " + r.State.String()
	}
	return fmt.Sprintf("%s: unknown for %v: %s", r.Command, time.Since(r.Since).Truncate(time.Second), r.Unknown)
}

// States are the current states of commands. Who watches them is told each command's latest: a thing that flaps, or a reader that
// is slow, makes no queue.
type States struct {
	mu       sync.Mutex // guards all below, and what watchers hold
	reports  []Report   // by command
	watchers []*Watcher
}

// NewStates returns none yet.
func NewStates() *States { return new(States) }

// Set notes the state of a command, and tells those who watch if that is a change.
func (s *States) Set(command string, state State) {
	s.mu.Lock()
	defer s.mu.Unlock()
	i, known := s.find(command)
	switch {
	case !known:
		s.reports = slices.Insert(s.reports, i, Report{command, state, time.Now()})
	case s.reports[i].State.is(state):
		return
	case s.reports[i].Unknown != "" && state.Unknown != "": // for another reason
		s.reports[i].State = state
	default:
		s.reports[i] = Report{command, state, time.Now()}
	}
	for _, w := range s.watchers {
		w.wake()
	}
}

// Get returns the state of a command; ok is false if it has none, or none yet.
func (s *States) Get(command string) (state State, ok bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if i, known := s.find(command); known {
		return s.reports[i].State, true
	}
	return State{}, false
}

// All returns every state, by command.
func (s *States) All() []Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.reports)
}

// find returns where the report of a command is, or belongs. The caller holds mu.
func (s *States) find(command string) (i int, known bool) {
	return slices.BinarySearchFunc(s.reports, command, func(r Report, name string) int { return strings.Compare(r.Command, name) })
}

// Watch begins to tell of changes. What is known already is the first of them.
func (s *States) Watch() *Watcher {
	s.mu.Lock()
	defer s.mu.Unlock()
	w := &Watcher{of: s, changed: make(chan struct{}, 1), told: make(map[string]State)}
	if len(s.reports) > 0 {
		w.wake()
	}
	s.watchers = append(s.watchers, w)
	return w
}

// Watcher is told of changes.
type Watcher struct {
	of      *States
	changed chan struct{} // holds one token

	// Guarded by of.mu.
	told    map[string]State
	next    int // of the reports: where Take goes on, so that one that flaps keeps none from being told
	stopped bool
}

func (w *Watcher) wake() {
	select {
	case w.changed <- struct{}{}:
	default: // it is about to look
	}
}

// Changed returns a channel that has a token when Take may have something.
func (w *Watcher) Changed() <-chan struct{} { return w.changed }

// Take returns the latest state of each command whose state is another one than was taken last, most of them at once; the
// others come next.
func (w *Watcher) Take(most int) []Report {
	s := w.of
	s.mu.Lock()
	defer s.mu.Unlock()
	if w.stopped {
		return nil
	}
	var out []Report
	for range s.reports {
		if len(out) == most {
			w.wake()
			break
		}
		r := s.reports[w.next%len(s.reports)]
		w.next = (w.next + 1) % len(s.reports)
		if told, ok := w.told[r.Command]; ok && told.is(r.State) {
			continue
		}
		w.told[r.Command] = r.State
		out = append(out, r)
	}
	return out
}

// Stop ends the watch: Take returns nothing from then on.
func (w *Watcher) Stop() {
	s := w.of
	s.mu.Lock()
	defer s.mu.Unlock()
	w.stopped = true
	s.watchers = slices.DeleteFunc(s.watchers, func(other *Watcher) bool { return other == w })
}
