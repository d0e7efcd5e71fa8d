package main

import (
	"context"
	"log/slog"
	"maps"
	"slices"
	"sync"
	"time"
)

// tally counts who is connected, and notes every login.
type tally struct {
	start time.Time

	mu     sync.Mutex // guards what follows
	up     []bool     // by agent
	count  int
	begun  []time.Duration // logins, since start, in order: a server has taken the connection
	logins []time.Duration // those that came to their end
	curve  []point
	errs   []error
	words  map[string]int // what the agents had to complain of, for who looks for a fault
}

// point is how many were connected from then on.
type point struct {
	at    time.Duration // since start
	count int
}

func newTally(agents int) *tally {
	return &tally{start: time.Now(), up: make([]bool, agents), words: make(map[string]int)}
}

// set notes that an agent is connected, or is not.
func (t *tally) set(i int, up bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	at := time.Since(t.start)
	if up {
		t.logins = append(t.logins, at)
	}
	if t.up[i] == up {
		return
	}
	if t.up[i] = up; up {
		t.count++
	} else {
		t.count--
	}
	t.curve = append(t.curve, point{at, t.count})
}

func (t *tally) begin() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.begun = append(t.begun, time.Since(t.start))
}

func (t *tally) connected() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.count
}

func (t *tally) fault(err error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.errs = append(t.errs, err)
}

// cutSince is how many were cut off from a moment on.
func (t *tally) cutSince(at time.Time) (n int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := at.Sub(t.start)
	for i, p := range t.curve {
		if p.at >= from && i > 0 && p.count < t.curve[i-1].count {
			n++
		}
	}
	return n
}

// since returns the logins from a moment on, as time after it.
func (t *tally) since(at time.Time) (begun, done []time.Duration) {
	t.mu.Lock()
	defer t.mu.Unlock()
	from := at.Sub(t.start)
	return after(t.begun, from), after(t.logins, from)
}

// after is what was later than from, as time after it.
func after(list []time.Duration, from time.Duration) (out []time.Duration) {
	for _, at := range list {
		if at >= from {
			out = append(out, at-from)
		}
	}
	return out
}

// witness is the log of an agent: the words by which it tells people how its connection is doing are what the tally counts.
type witness struct {
	tally *tally
	agent int
}

func (w *witness) Enabled(context.Context, slog.Level) bool { return true }

func (w *witness) Handle(_ context.Context, r slog.Record) error {
	switch r.Message {
	case "logging in":
		w.tally.begin()
	case "online":
		w.tally.set(w.agent, true)
	case "connection lost, resuming", "not connected":
		w.tally.set(w.agent, false)
	}
	if r.Level >= slog.LevelWarn || r.Message == "not connected" || r.Message == "publishing the certificate" {
		w.tally.complain(r)
	}
	return nil
}

func (t *tally) complain(r slog.Record) {
	words := r.Message
	r.Attrs(func(a slog.Attr) bool {
		if a.Key == "err" || a.Key == "outcome" {
			words += ": " + a.Value.String()
		}
		return true
	})
	t.mu.Lock()
	defer t.mu.Unlock()
	t.words[words]++
}

func (w *witness) WithAttrs([]slog.Attr) slog.Handler { return w }
func (w *witness) WithGroup(string) slog.Handler      { return w }

// last is when the last login was, since start.
func (t *tally) last() time.Duration {
	t.mu.Lock()
	defer t.mu.Unlock()
	if len(t.logins) == 0 {
		return 0
	}
	return t.logins[len(t.logins)-1]
}

// all returns what was noted.
func (t *tally) all() (curve []point, logins []time.Duration, complaints map[string]int) {
	t.mu.Lock()
	defer t.mu.Unlock()
	return slices.Clone(t.curve), slices.Clone(t.logins), maps.Clone(t.words)
}
