package pairing

import (
	"fmt"
	"math/rand/v2"
	"net/netip"
	"testing"
	"time"
)

// A rig is a policy with a clock that the test moves, and a record of what it wanted.
type rig struct {
	t       testing.TB
	p       *Policy
	now     time.Time
	start0  time.Time
	owners  fakeOwners
	stored  Counters
	ended   map[AttemptID]error
	given   map[AttemptID]PIN // in ModeTyped
	notices []Notice
	saves   int
}

// fakeOwners maps an owner's bare JID to whether it counts on the server link.
type fakeOwners map[string]bool

func (o fakeOwners) Owned() bool { return len(o) > 0 }

func (o fakeOwners) Owner(bare string, link Link) bool {
	proven, known := o[bare]
	return known && (proven || link == LinkLAN)
}

func newRig(t testing.TB, change func(*Config)) *rig { return newRigWith(t, Counters{}, change) }

func newRigWith(t testing.TB, stored Counters, change func(*Config)) *rig {
	t.Helper()
	now := time.Now()
	r := &rig{t: t, now: now, start0: now, owners: fakeOwners{}, stored: stored, ended: map[AttemptID]error{}, given: map[AttemptID]PIN{}}
	src := rand.NewChaCha8([32]byte{7})
	cfg := Config{Domain: "home.example", Owners: r.owners, DrawPIN: func() (PIN, error) { return NewPIN(src) }}
	if change != nil {
		change(&cfg)
	}
	p, err := New(cfg, stored)
	if err != nil {
		t.Fatal(err)
	}
	r.p = p
	return r
}

func (r *rig) must(err error) {
	r.t.Helper()
	if err != nil {
		r.t.Fatal(err)
	}
}

func (r *rig) take(e Effects) {
	if e.Persist != nil {
		r.stored = *e.Persist
		r.saves++
	}
	for _, g := range e.Give {
		if !r.given[g.ID].IsZero() {
			r.t.Errorf("attempt %d is given a PIN twice", g.ID)
		}
		r.given[g.ID] = g.PIN
	}
	for _, end := range e.End {
		if old, again := r.ended[end.ID]; again {
			r.t.Errorf("attempt %d ended twice: %v, %v", end.ID, old, end.Cause)
		}
		r.ended[end.ID] = end.Cause
	}
	r.notices = append(r.notices, e.Notices...)
}

func (r *rig) pass(d time.Duration) {
	r.now = r.now.Add(d)
	r.take(r.p.Tick(r.now))
}

func (r *rig) open(o Opening) error {
	e, err := r.p.OpenWindow(r.now, o)
	r.take(e)
	return err
}

func (r *rig) mayTry(p Peer) error {
	e, err := r.p.MayTry(r.now, p)
	r.take(e)
	return err
}

func (r *rig) start(p Peer) (Ticket, error) {
	ticket, e, err := r.p.Start(r.now, p)
	r.take(e)
	return ticket, err
}

func (r *rig) mustStart(p Peer) Ticket {
	r.t.Helper()
	ticket, err := r.start(p)
	r.must(err)
	return ticket
}

func (r *rig) prove(id AttemptID, ok bool) error {
	e, err := r.p.Proof(r.now, id, ok)
	r.take(e)
	return err
}

func (r *rig) enrolled(id AttemptID) error {
	e, err := r.p.Enrolled(r.now, id)
	r.take(e)
	return err
}

func (r *rig) end(id AttemptID) { r.take(r.p.End(r.now, id)) }

// peer returns the i-th account of the device's own domain.
func (r *rig) peer(i int) Peer { return Peer{JID: fmt.Sprintf("user%d@home.example", i)} }

// lan returns a peer at the i-th address, that claims a JID.
func lan(i int, jid string) Peer {
	return Peer{JID: jid, Link: LinkLAN, Addr: netip.AddrFrom4([4]byte{192, 168, byte(i >> 8), byte(i)})}
}

// last is what the display says now.
func (r *rig) last() Notice {
	if len(r.notices) == 0 {
		return Notice{}
	}
	return r.notices[len(r.notices)-1]
}

func (r *rig) wantLast(k NoticeKind) {
	r.t.Helper()
	if got := r.last().Kind; got != k {
		r.t.Errorf("the display says %q, want %q", r.last().Text(), Notice{Kind: k}.Text())
	}
}

func (r *rig) wantState(s State) {
	r.t.Helper()
	if r.p.State() != s {
		r.t.Errorf("state %v, want %v", r.p.State(), s)
	}
}

// checkInvariants holds the policy to what is true in every state.
func (r *rig) checkInvariants() {
	r.t.Helper()
	p := r.p
	running := map[peerKey]int{}
	total, proving, waiting := 0, 0, 0
	for id, a := range p.attempts {
		switch a.phase {
		case awaiting:
			waiting++
			running[a.peer.key()]++
			if p.state != Asking && p.state != Open || p.window.had(id, p.lastID) && p.state == Open || !a.end.Equal(p.window.end) {
				r.t.Errorf("attempt %d waits for a PIN in state %v", id, p.state)
			}
		case handshaking:
			running[a.peer.key()]++
			total++
			if !p.window.had(id, p.lastID) {
				r.t.Errorf("attempt %d runs with a PIN of before", id)
			}
			if p.cfg.Mode == ModeTyped && !r.given[id].Equal(p.window.pin) {
				r.t.Errorf("attempt %d runs without the PIN that was typed", id)
			}
			if a.end.After(p.window.end) {
				r.t.Error("a handshake may outlive the window")
			}
		case proven:
			proving++
		}
		if !r.now.Before(a.end) {
			r.t.Errorf("attempt %d is overdue", id)
		}
	}
	if total+waiting > maxAtOnce || total > 0 && p.state != Open {
		r.t.Errorf("%d handshakes in state %v", total, p.state)
	}
	for key, n := range running {
		if n > 1 {
			r.t.Errorf("%d handshakes of %v", n, key)
		}
	}
	if (proving == 1) != (p.state == Enrolling) || proving > 1 {
		r.t.Errorf("%d peers enrol in state %v", proving, p.state)
	}
	for key, t := range p.window.peers {
		if t.starts > maxStarts || t.failed > maxPeerFailed {
			r.t.Errorf("%v: %d starts, %d failed", key, t.starts, t.failed)
		}
	}
	if p.window.proofs > maxProofs || len(p.window.peers) > maxPeers || len(p.window.named) > maxNamed {
		r.t.Errorf("proofs %d, peers %d, named %d", p.window.proofs, len(p.window.peers), len(p.window.named))
	}
	if (p.state == Open) == p.window.pin.IsZero() {
		r.t.Errorf("in state %v there is a PIN: %v", p.state, !p.window.pin.IsZero())
	}
	if p.cfg.Mode == ModeTyped && (p.state == Open) != (total > 0) {
		r.t.Errorf("in state %v %d handshakes have the PIN that was typed", p.state, total)
	}
	if p.window.typed.Len() > 0 && (p.state != Asking || waiting == 0) || p.window.typed.Len() > pinDigits {
		r.t.Errorf("in state %v, with %d who wait, there are %d digits", p.state, waiting, p.window.typed.Len())
	}
	if p.Typing() != (p.cfg.Mode == ModeTyped && p.state.running()) {
		r.t.Errorf("in state %v digits are wanted: %v", p.state, p.Typing())
	}
	if (p.state == Closed || p.state == Locked || p.state == Damaged) && !p.window.end.IsZero() {
		r.t.Errorf("in state %v there is a window", p.state)
	}
	if r.stored != p.counters {
		r.t.Errorf("stored %+v, counted %+v", r.stored, p.counters)
	}
	if due, ok := p.NextDeadline(); ok && !due.After(r.now) {
		r.t.Errorf("the next deadline is %v ago: a timer would spin", r.now.Sub(due))
	}
}
