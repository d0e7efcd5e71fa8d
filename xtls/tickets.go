package xtls

import (
	"crypto/subtle"
	"fmt"
	"slices"
	"sync"
	"time"

	"mellium.im/xmpp/jid"
)

// Bounds of [Tickets].
const (
	maxTickets     = 256 // in all; who gets one has proven himself
	maxTicketsEach = 4   // between the same two: as many sessions may be resumed at once
	maxLabel       = 1024

	// ticketLifetime is how long a session may be resumed after the peer's key was last proven. Resuming does not prolong it (RFC 8446
	// §4.6.1): once a day both keys prove themselves.
	ticketLifetime = 24 * time.Hour
)

// Tickets are sessions of method x509 that may be resumed (RFC 8446 §2.2): those of which a responder has given tickets, and those of
// which an initiator has got some. They are in memory alone. A ticket is good once, for a day, and between the two who
// had the session: the same bare JIDs and the same certificates. The zero value is ready for use; its methods may be called from
// many goroutines, and many endpoints of one identity may share it.
//
// Who takes back trust calls Forget. A ticket is never trust itself: every session, resumed or not, is held against the
// pins when its handshake ends.
type Tickets struct {
	mu    sync.Mutex // guards all below
	round int        // how often everything was forgotten
	kept  []ticket   // the oldest first
}

// ticket is one session that may be resumed.
type ticket struct {
	between relation
	label   []byte    // what goes over the wire
	state   []byte    // secret: the keys
	proven  time.Time // when the peer last proved its key, by the monotonic clock
}

// relation is between whom a session was: by its own name and the peer's, both bare, and by the peer's certificate. The own certificate is
// the endpoint's.
type relation struct {
	own, peer jid.JID
	pin       Fingerprint
}

func (r relation) equal(other relation) bool {
	return r.own.Equal(other.own) && r.peer.Equal(other.peer) && r.pin == other.pin
}

// Forget makes all tickets worthless, and those of handshakes that are under way: trust was taken back from somebody.
func (t *Tickets) Forget() {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.round++
	t.kept = nil
}

// Format keeps the keys out of whatever is printed.
func (t *Tickets) Format(f fmt.State, _ rune) { _, _ = fmt.Fprint(f, "tickets") }

// now returns the round, in which what a handshake makes must be kept.
func (t *Tickets) now() int {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.round
}

// put keeps a ticket of a handshake that began in round, in the place of the oldest if there are too many.
func (t *Tickets) put(round int, k ticket) {
	if len(k.label) == 0 || len(k.label) > maxLabel { // a longer one costs more on the wire than it saves
		return
	}
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.round != round {
		return
	}
	t.expire()
	between := 0
	for i := len(t.kept) - 1; i >= 0; i-- {
		if !t.kept[i].between.equal(k.between) {
			continue
		}
		if between++; between >= maxTicketsEach {
			t.kept = slices.Delete(t.kept, i, i+1)
		}
	}
	if len(t.kept) >= maxTickets {
		t.kept = slices.Delete(t.kept, 0, 1)
	}
	t.kept = append(t.kept, k)
}

// newest takes out the newest ticket between two.
func (t *Tickets) newest(between relation) (ticket, bool) {
	return t.take(func(k ticket) bool { return k.between.equal(between) })
}

// named takes out the ticket with a label, if it is one between these two.
func (t *Tickets) named(between relation, label []byte) (ticket, bool) {
	return t.take(func(k ticket) bool {
		return k.between.equal(between) && subtle.ConstantTimeCompare(k.label, label) == 1
	})
}

func (t *Tickets) take(match func(ticket) bool) (ticket, bool) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.expire()
	for i := len(t.kept) - 1; i >= 0; i-- {
		if k := t.kept[i]; match(k) {
			t.kept = slices.Delete(t.kept, i, i+1)
			return k, true
		}
	}
	return ticket{}, false
}

// expire drops what is too old. The caller holds mu.
func (t *Tickets) expire() {
	t.kept = slices.DeleteFunc(t.kept, func(k ticket) bool { return time.Since(k.proven) >= ticketLifetime })
}
