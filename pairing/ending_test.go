package pairing

import (
	"errors"
	"testing"
	"time"
)

func TestCloseEndsEverything(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	a := r.mustStart(r.peer(1))
	r.take(r.p.Close(r.now))
	r.wantState(Closed)
	if err := r.ended[a.ID]; !errors.Is(err, ErrWindowClosed) {
		t.Errorf("a handshake: %v, want ErrWindowClosed", err)
	}
	r.must(r.open(press))
	b := r.mustStart(r.peer(1))
	r.must(r.prove(b.ID, true))
	r.take(r.p.Close(r.now))
	r.wantState(Closed)
	if err := r.ended[b.ID]; !errors.Is(err, ErrWindowClosed) {
		t.Errorf("an enrolment: %v, want ErrWindowClosed", err)
	}
	quiet := len(r.notices)
	r.take(r.p.Close(r.now))
	if len(r.notices) != quiet {
		t.Error("closing what is closed says something")
	}
}

// Rule: the last state folder was damaged: locked, never unowned.
func TestDamagedMeansLocked(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Damaged = true })
	for _, by := range []By{ByStart, ByButton, ByLocal, ByOwner} {
		if err := r.open(Opening{By: by}); !errors.Is(err, ErrDamaged) || !errors.Is(err, ErrLocked) {
			t.Errorf("a window by %v: %v, want ErrDamaged", by, err)
		}
		r.wantLast(NoticeDamaged)
	}
	if err := r.mayTry(r.peer(1)); !errors.Is(err, ErrLocked) {
		t.Errorf("a peer of the own domain: %v, want ErrLocked", err)
	}
	if err := r.mayTry(Peer{JID: "x@elsewhere.example"}); !errors.Is(err, ErrMayNotTry) {
		t.Errorf("a stranger: %v, want ErrMayNotTry", err)
	}
	r.take(r.p.Unlock(r.now))
	r.must(r.open(press))
	a := r.mustStart(r.peer(1))
	r.take(r.p.Damage(r.now))
	if !errors.Is(r.ended[a.ID], ErrWindowClosed) {
		t.Error("damage found later does not end what runs")
	}
	r.take(r.p.Reset(r.now))
	r.must(r.open(Opening{By: ByStart}))
}

// Rule: removal ends windows and sessions.
func TestRemovedOwner(t *testing.T) {
	r := newRig(t, nil)
	r.owners["rob@home.example"], r.owners["eve@home.example"] = true, true
	guests, err := ParseGuests([]string{"guest@else.example"})
	r.must(err)
	r.must(r.open(Opening{By: ByOwner, Opener: "eve@home.example", Guests: guests}))
	guest := r.mustStart(Peer{JID: "guest@else.example"})
	delete(r.owners, "eve@home.example")
	r.take(r.p.Removed(r.now, "eve@home.example"))
	r.wantState(Closed)
	if r.ended[guest.ID] == nil {
		t.Error("the guest of a removed owner goes on")
	}

	r.owners["eve@home.example"] = true
	r.must(r.open(press))
	eve, rob := r.mustStart(Peer{JID: "eve@home.example"}), r.mustStart(Peer{JID: "rob@home.example"})
	delete(r.owners, "eve@home.example")
	r.take(r.p.Removed(r.now, "eve@home.example"))
	if !errors.Is(r.ended[eve.ID], ErrMayNotTry) || r.ended[rob.ID] != nil {
		t.Errorf("after the removal: eve %v, rob %v", r.ended[eve.ID], r.ended[rob.ID])
	}
	r.wantState(Open)

	// Even the one that is enrolling; and if nobody says so, at the proof.
	r.must(r.prove(rob.ID, true))
	delete(r.owners, "rob@home.example")
	r.owners["x@home.example"] = true
	r.take(r.p.Removed(r.now, "rob@home.example"))
	r.wantState(Open)
	x := r.mustStart(Peer{JID: "x@home.example"})
	delete(r.owners, "x@home.example")
	r.owners["y@home.example"] = true
	if err := r.prove(x.ID, true); !errors.Is(err, ErrMayNotTry) {
		t.Errorf("the right PIN from one who may not try any more: %v, want ErrMayNotTry", err)
	}
	r.wantLast(NoticeWrongPIN)
	r.checkInvariants()
}

func TestReset(t *testing.T) {
	r := newRigWith(t, Counters{Failures: maxFailures, Proofs: 200}, fixed(t))
	r.wantState(Locked)
	r.take(r.p.Reset(r.now))
	r.wantState(Closed)
	if r.stored != (Counters{}) {
		t.Errorf("stored after a reset: %+v", r.stored)
	}
	r.must(r.open(press))
	a := r.mustStart(r.peer(1))
	r.must(r.prove(a.ID, true))
	r.must(r.enrolled(a.ID))
	r.take(r.p.Reset(r.now))
	if r.ended[a.ID] == nil {
		t.Error("an enrolled session survives a reset")
	}
}

func TestNextDeadline(t *testing.T) {
	r := newRig(t, nil)
	if due, ok := r.p.NextDeadline(); ok {
		t.Errorf("with nothing going on: %v", due)
	}
	r.must(r.open(press))
	end := r.p.WindowEnd()
	for _, step := range []struct {
		do   func()
		want time.Time
	}{
		{func() {}, end},
		{func() { r.mustStart(r.peer(1)) }, r.now.Add(handshakeLimit)},
		{func() { r.must(r.prove(1, true)) }, r.now.Add(enrolLimit)},
		{func() { r.must(r.enrolled(1)) }, r.now.Add(enrolLimit)},
	} {
		step.do()
		if due, ok := r.p.NextDeadline(); !ok || !due.Equal(step.want) {
			t.Errorf("due in %v, want %v", due.Sub(r.now), step.want.Sub(r.now))
		}
	}
	r.end(1)
	if _, ok := r.p.NextDeadline(); ok {
		t.Error("a deadline after everything is over")
	}
}
