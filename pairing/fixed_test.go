package pairing

import (
	"errors"
	"testing"
	"time"
)

// Rule: a fixed PIN works only in a window that the button opened, at the device.
func TestFixedPINNeedsTheButton(t *testing.T) {
	r := newRig(t, fixed(t))
	if err := r.open(Opening{By: ByStart}); !errors.Is(err, ErrButtonOnly) {
		t.Errorf("at the start: %v, want ErrButtonOnly", err)
	}
	for _, by := range []By{ByLocal, ByOwner} {
		r.must(r.open(Opening{By: by}))
		r.wantState(Armed)
		r.wantLast(NoticePress)
		if _, err := r.start(r.peer(1)); !errors.Is(err, ErrNoWindow) {
			t.Errorf("before the press, asked by %v: %v, want ErrNoWindow", by, err)
		}
	}
	r.must(r.open(press))
	r.wantState(Open)
	r.wantLast(NoticeLabel)
	if !r.last().PIN.IsZero() {
		t.Error("the display shows the fixed PIN")
	}
	if ticket := r.mustStart(r.peer(1)); ticket.PIN.Digits() != "27182818" {
		t.Error("the handshake has another PIN than the label")
	}
}

// What an owner asked for waits for the press as long as a window lasts, with his guests.
func TestArmedWindow(t *testing.T) {
	guests, err := ParseGuests([]string{"guest@else.example"})
	if err != nil {
		t.Fatal(err)
	}
	guest := Peer{JID: "guest@else.example"}
	asked := Opening{By: ByOwner, Opener: "rob@home.example", Guests: guests}
	for _, late := range []bool{false, true} {
		r := newRig(t, fixed(t))
		r.owners["rob@home.example"] = true
		r.must(r.open(asked))
		if err := r.mayTry(guest); !errors.Is(err, ErrNoWindow) {
			t.Errorf("the guest before the press: %v, want ErrNoWindow", err)
		}
		if late {
			r.pass(defaultWindow)
			r.wantState(Closed)
		}
		r.must(r.open(press))
		for _, peer := range []Peer{guest, lan(1, guest.JID)} {
			if err := r.mayTry(peer); (err == nil) == late {
				t.Errorf("late=%v: %+v after the press: %v", late, peer, err)
			}
		}
		r.must(r.open(asked))
		r.take(r.p.Removed(r.now, "rob@home.example"))
		r.wantState(Closed)
	}
}

// Rule: each failure doubles the wait, from 1 s.
func TestFixedPINWaits(t *testing.T) {
	r := newRig(t, func(c *Config) { fixed(t)(c); c.Window = maxWindow })
	r.must(r.open(press))
	wait := time.Second
	for i := range 9 {
		r.must(r.prove(r.mustStart(r.peer(i)).ID, false))
		r.wantState(Waiting)
		r.wantLast(NoticeWait)
		if got := r.last().Until.Sub(r.now); got != wait {
			t.Fatalf("after %d failures the wait is %v, want %v", i+1, got, wait)
		}
		var limit *LimitError
		if _, err := r.start(r.peer(100)); !errors.As(err, &limit) || limit.RetryAfter != wait {
			t.Fatalf("a handshake in the wait: %v, want a LimitError with %v", err, wait)
		}
		r.pass(wait - 1)
		r.wantState(Waiting)
		r.pass(1)
		r.wantState(Open)
		r.checkInvariants()
		wait *= 2
	}
	r.must(r.prove(r.mustStart(r.peer(50)).ID, false)) // 512 s: longer than what is left
	r.pass(r.p.WindowEnd().Sub(r.now))
	r.wantState(Closed)
}

// Handshakes side by side are no guesses for nothing: the first Finished ends them, and
// one that was judged all the same is counted.
func TestFixedPINSideBySide(t *testing.T) {
	r := newRig(t, fixed(t))
	r.must(r.open(press))
	var ids []AttemptID
	for i := range 4 {
		ids = append(ids, r.mustStart(r.peer(i)).ID)
	}
	r.must(r.prove(ids[0], false))
	for _, id := range ids[1:] {
		if !errors.Is(r.ended[id], ErrTaken) {
			t.Errorf("attempt %d: %v, want ErrTaken", id, r.ended[id])
		}
	}
	if err := r.prove(ids[1], false); !errors.Is(err, ErrEnded) {
		t.Errorf("late, wrong: %v", err)
	}
	if err := r.prove(ids[2], true); !errors.Is(err, ErrEnded) {
		t.Errorf("late, right: %v", err)
	}
	r.wantState(Waiting)
	if r.stored.Failures != 2 {
		t.Errorf("%d failures counted, want 2", r.stored.Failures)
	}
}

// Rule: 100 failures since the last success, counted on disk, lock it until the button
// is held or the local command clears it.
func TestFixedPINLocks(t *testing.T) {
	r := newRigWith(t, Counters{Failures: 98}, fixed(t))
	r.must(r.open(press))
	r.must(r.prove(r.mustStart(r.peer(1)).ID, false))
	r.wantState(Waiting)
	r.pass(time.Second)
	other := r.mustStart(r.peer(2))
	r.must(r.prove(r.mustStart(r.peer(3)).ID, false))
	r.wantState(Locked)
	r.wantLast(NoticeLocked)
	if r.ended[other.ID] == nil {
		t.Error("a handshake goes on although the PIN is locked")
	}
	if r.stored.Failures != 100 {
		t.Fatalf("stored: %d failures", r.stored.Failures)
	}
	// A restart, time and presses change nothing.
	r = newRigWith(t, r.stored, fixed(t))
	r.pass(24 * time.Hour)
	for _, by := range []By{ByStart, ByButton, ByLocal, ByOwner} {
		if err := r.open(Opening{By: by}); !errors.Is(err, ErrLocked) {
			t.Errorf("opened by %v: %v, want ErrLocked", by, err)
		}
	}
	if err := r.mayTry(r.peer(1)); !errors.Is(err, ErrLocked) {
		t.Errorf("a peer: %v, want ErrLocked", err)
	}
	r.take(r.p.Unlock(r.now))
	r.wantLast(NoticeUnlocked)
	if r.stored.Failures != 0 {
		t.Errorf("stored after the unlock: %+v", r.stored)
	}
	r.must(r.open(press))
	// A late guess may be the hundredth.
	r.p.counters.Failures = 99
	id := r.mustStart(r.peer(1)).ID
	r.take(r.p.Close(r.now))
	_ = r.prove(id, false)
	r.wantState(Locked)
}

// A success forgives what was before.
func TestSuccessClearsFailures(t *testing.T) {
	r := newRigWith(t, Counters{Failures: 99}, fixed(t))
	r.must(r.open(press))
	id := r.mustStart(r.peer(1)).ID
	r.must(r.prove(id, true))
	if r.stored.Failures != 0 {
		t.Errorf("%d failures after a success", r.stored.Failures)
	}
	r.end(id)
	r.wantState(Open) // with the same PIN: a label cannot change
	if got := r.mustStart(r.peer(1)).PIN.Digits(); got != "27182818" {
		t.Error("the fixed PIN changed")
	}
}

// A PIN on a display is never locked: strangers could lock out the owner.
func TestDisplayedPINsAreNeverLocked(t *testing.T) {
	r := newRigWith(t, Counters{Failures: 5000}, nil)
	r.must(r.open(press))
	r.must(r.prove(r.mustStart(r.peer(1)).ID, false))
	r.wantState(Open)
}
