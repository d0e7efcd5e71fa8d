package pairing

import (
	"errors"
	"testing"
)

// Rule: up to 128 handshakes at once, one a peer.
func TestHandshakesAtOnce(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	var ids []AttemptID
	for i := range 128 {
		ids = append(ids, r.mustStart(r.peer(i)).ID)
	}
	if err := r.mayTry(r.peer(0)); !errors.Is(err, ErrTooMany) {
		t.Errorf("a second handshake of one peer: %v, want ErrTooMany", err)
	}
	var limit *LimitError
	if _, err := r.start(r.peer(128)); !errors.As(err, &limit) || limit.RetryAfter == 0 {
		t.Errorf("one more handshake: %v, want a LimitError that says when to come back", err)
	}
	r.end(ids[2])
	r.mustStart(r.peer(128))
}

// Rule: per peer and window 3 starts, 2 failed proofs. On the LAN the address counts,
// not the JID that is claimed.
func TestLimitsOfAPeer(t *testing.T) {
	for name, peer := range map[string]func(i int) Peer{
		"server": func(int) Peer { return Peer{JID: "user@home.example"} },
		"lan":    func(i int) Peer { return lan(1, string(rune('a'+i))+"@laptop") },
	} {
		r := newRig(t, nil)
		r.must(r.open(press))
		for i := range 3 {
			r.end(r.mustStart(peer(i)).ID)
		}
		if _, err := r.start(peer(3)); !errors.Is(err, ErrTooMany) {
			t.Errorf("%s: a fourth start: %v, want ErrTooMany", name, err)
		}
		r.must(r.open(press))
		for i := range 2 {
			r.must(r.prove(r.mustStart(peer(i)).ID, false))
		}
		if err := r.mayTry(peer(2)); !errors.Is(err, ErrTooMany) {
			t.Errorf("%s: after two wrong PINs: %v, want ErrTooMany", name, err)
		}
		if _, err := r.start(r.peer(77)); err != nil {
			t.Errorf("%s: another peer: %v", name, err)
		}
		r.must(r.open(press))
		r.mustStart(peer(4))
	}
}

// Rule: only failed proofs count as failed.
func TestOnlyFailedProofsCountAsFailed(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	for range 3 {
		ticket := r.mustStart(r.peer(1))
		r.must(r.prove(ticket.ID, true))
		r.end(ticket.ID)
	}
	if got := r.p.window.peers[r.peer(1).key()].failed; got != 0 {
		t.Errorf("%d right PINs count as failed", got)
	}
}

// Rule: 128 proofs a window from everybody.
func TestProofsOfAWindow(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	for i := range 128 {
		r.wantState(Open)
		r.must(r.prove(r.mustStart(r.peer(i)).ID, false))
	}
	r.wantState(Closed)
	r.wantLast(NoticeTooMany)
	r.must(r.open(press)) // nothing is locked that a person must unlock
}

// Rule: a peer has a second proof only while there were fewer than 30: first everybody gets his one.
func TestSecondProofs(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	for i := range 15 {
		for range 2 {
			r.must(r.prove(r.mustStart(r.peer(i)).ID, false))
		}
	}
	r.must(r.prove(r.mustStart(r.peer(15)).ID, false))
	if _, err := r.start(r.peer(15)); !errors.Is(err, ErrTooMany) {
		t.Errorf("a second proof, after 30: %v, want ErrTooMany", err)
	}
	r.mustStart(r.peer(16))
}

// The last proof may be the right one.
func TestLastProofMayBeRight(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	for i := range 127 {
		r.must(r.prove(r.mustStart(r.peer(i)).ID, false))
	}
	ticket := r.mustStart(r.peer(127))
	r.must(r.prove(ticket.ID, true))
	r.wantState(Enrolling)
	r.end(ticket.ID)
	r.wantState(Closed)
	r.wantLast(NoticeTooMany)
}

// Rule: caps on everything. Peers that start and go do not fill the memory.
func TestPeersOfAWindowAreBounded(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	for i := range maxPeers {
		r.end(r.mustStart(lan(i, "x@y")).ID)
	}
	if _, err := r.start(lan(maxPeers, "x@y")); !errors.Is(err, ErrTooMany) {
		t.Errorf("peer %d: %v, want ErrTooMany", maxPeers, err)
	}
	if _, err := r.start(lan(0, "x@y")); err != nil {
		t.Errorf("a peer that is known: %v", err)
	}
	r.checkInvariants()
}
