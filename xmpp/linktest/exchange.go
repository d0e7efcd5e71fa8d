package linktest

import (
	"errors"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"xtls-agent/xmpp"
)

// to addresses st to a link's end, where that needs an address.
func (s suite) to(l xmpp.Link, st *xmpp.Stanza) *xmpp.Stanza {
	if s.caps.Server {
		st.To = l.LocalAddr()
	}
	return st
}

// pass writes st at from, reads it at to, and checks all but its id and payload.
func (s suite) pass(t *testing.T, from, to xmpp.Link, st *xmpp.Stanza) *xmpp.Stanza {
	t.Helper()
	got, err := s.exchange(from, to, s.to(to, st))
	if err != nil {
		t.Fatalf("%s: %v", st.Kind, err)
	}
	if got.Kind != st.Kind || got.Type != st.Type {
		t.Fatalf("%s %s arrives as %v", st.Kind, st.Type, got.Element())
	}
	if !got.From.Equal(from.LocalAddr()) {
		t.Errorf("%s from %q, want %q", st.Kind, got.From, from.LocalAddr())
	}
	if !(got.Kind == xmpp.Message && s.caps.NoMessageID) && !got.To.Equal(to.LocalAddr()) {
		t.Errorf("%s to %q, want %q", st.Kind, got.To, to.LocalAddr())
	}
	return got
}

// carries also checks id and payload.
func (s suite) carries(t *testing.T, from, to xmpp.Link, st *xmpp.Stanza) {
	t.Helper()
	got := s.pass(t, from, to, st)
	if got.ID != st.ID {
		t.Errorf("id %q arrives as %q", st.ID, got.ID)
	}
	if diff := cmp.Diff(st.Payload, got.Payload, cmpopts.EquateEmpty()); diff != "" {
		t.Errorf("payload (-sent +arrived):\n%.2000s", diff)
	}
}

const nsTest = "urn:xtls-agent:linktest"

// exchange writes st at one end and reads what arrives at the other: a link need not hold anything in between.
func (s suite) exchange(from, to xmpp.Link, st *xmpp.Stanza) (*xmpp.Stanza, error) {
	written := make(chan error, 1)
	go func() { written <- from.WriteStanza(st) }()
	got, err := read(to)
	for s.caps.Reshuffles && err == nil && (got.ID != st.ID || got.From.Equal(to.LocalAddr())) { // of one from before
		got, err = read(to)
	}
	if err != nil {
		_ = from.Close() // frees the writer
	}
	return got, errors.Join(<-written, err)
}

// allArrive reads n requests at each end, whose ids are their numbers: once and in order, unless the server is known not to see to that.
func (s suite) allArrive(t *testing.T, e Ends, n int) {
	var reading sync.WaitGroup
	defer reading.Wait()
	if s.caps.Reshuffles {
		a := &arrivals{missing: 2 * n, few: n / 10, came: make(map[string]bool)}
		reading.Go(func() { a.collect(t, e.A, e.B) })
		reading.Go(func() { a.collect(t, e.B, e.A) })
		return
	}
	for _, at := range []xmpp.Link{e.A, e.B} {
		reading.Go(func() {
			for i := range n {
				if st, err := read(at); err != nil || st.ID != fmt.Sprint(i) {
					t.Errorf("want stanza %d: %v, %v", i, st, err)
					return
				}
			}
		})
	}
}

// arrivals are requests that have come to where they were sent, or have come back as an error. A few may be lost.
type arrivals struct {
	mu      sync.Mutex // guards all below
	came    map[string]bool
	missing int
	few     int // so many may be
}

// collect reads at one end until nothing is missing any more, and then ends the wait of who reads at the other.
func (a *arrivals) collect(t *testing.T, at, other xmpp.Link) {
	for {
		st, err := read(at)
		switch missing := a.note(st); {
		case missing == 0:
			_ = other.Close()
			return
		case err != nil:
			if t.Logf("%d stanzas are missing: %v", missing, err); missing > a.few {
				t.Fail()
			}
			return
		}
	}
}

// note returns how many are missing after st, which may be nil.
func (a *arrivals) note(st *xmpp.Stanza) int {
	a.mu.Lock()
	defer a.mu.Unlock()
	if st != nil {
		to := st.To
		if st.Type == xmpp.Fail {
			to = st.From
		}
		if key := to.String() + " " + st.ID; !a.came[key] {
			a.came[key] = true
			a.missing--
		}
	}
	return a.missing
}

// read is ReadStanza with an end to the wait: it closes the link if nothing comes.
func read(l xmpp.Link) (*xmpp.Stanza, error) {
	late := time.AfterFunc(patience, func() { _ = l.Close() })
	st, err := l.ReadStanza()
	if !late.Stop() {
		return nil, fmt.Errorf("linktest: nothing arrived within %v: %w", patience, err)
	}
	return st, err
}

func closeInTime(t *testing.T, l xmpp.Link) {
	t.Helper()
	start := time.Now()
	_ = l.Close() // what it returns is the connection's business
	if d := time.Since(start); d > closeLimit {
		t.Errorf("Close took %v", d)
	}
}
