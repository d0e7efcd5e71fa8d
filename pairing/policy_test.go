package pairing

import (
	"errors"
	"io"
	"testing"
	"time"
)

var press = Opening{By: ByButton}

func fixed(t testing.TB) func(*Config) {
	return func(c *Config) { c.Mode, c.Fixed = ModeFixed, mustPIN(t, "27182818") }
}

func TestNewRefuses(t *testing.T) {
	good := Config{Owners: fakeOwners{}, DrawPIN: func() (PIN, error) { return PIN{}, nil }}
	for name, change := range map[string]func(*Config){
		"a window too short":  func(c *Config) { c.Window = time.Minute - 1 },
		"a window too long":   func(c *Config) { c.Window = 15*time.Minute + 1 },
		"a negative window":   func(c *Config) { c.Window = -time.Minute },
		"no owners":           func(c *Config) { c.Owners = nil },
		"no source of PINs":   func(c *Config) { c.DrawPIN = nil },
		"an unknown mode":     func(c *Config) { c.Mode = 7 },
		"no fixed PIN":        func(c *Config) { c.Mode = ModeFixed },
		"a trivial fixed PIN": func(c *Config) { c.Mode, c.Fixed = ModeFixed, mustPIN(t, "12345678") },
	} {
		cfg := good
		change(&cfg)
		if _, err := New(cfg, Counters{}); err == nil {
			t.Errorf("New accepts %s", name)
		}
	}
	if _, err := New(good, Counters{}); err != nil {
		t.Error(err)
	}
}

// Rule: nothing can be paired while no window is open.
func TestNothingWithoutAWindow(t *testing.T) {
	r := newRig(t, nil)
	for _, peer := range []Peer{r.peer(1), lan(1, "x@y")} {
		if err := r.mayTry(peer); !errors.Is(err, ErrNoWindow) {
			t.Errorf("MayTry(%v) = %v", peer, err)
		}
		if _, err := r.start(peer); !errors.Is(err, ErrNoWindow) {
			t.Errorf("Start(%v) = %v", peer, err)
		}
	}
}

// Rule: a window lasts 3 minutes unless configured, and ends on time.
func TestWindowEnds(t *testing.T) {
	for _, length := range []time.Duration{0, time.Minute, 15 * time.Minute} {
		r := newRig(t, func(c *Config) { c.Window = length })
		if length == 0 {
			length = 3 * time.Minute
		}
		r.must(r.open(press))
		r.wantLast(NoticePIN)
		if got := r.last().Until.Sub(r.now); got != length {
			t.Errorf("the display says %v, want %v", got, length)
		}
		r.pass(length - 1)
		r.wantState(Open)
		r.pass(1)
		r.wantState(Closed)
		r.wantLast(NoticeClosed)
		if !r.last().PIN.IsZero() {
			t.Error("the PIN is still shown")
		}
	}
}

// Rule: no attempt makes a window longer.
func TestAttemptsDoNotProlongTheWindow(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	end := r.p.WindowEnd()
	for i := range 17 {
		r.pass(10 * time.Second)
		ticket := r.mustStart(r.peer(i))
		if ticket.End.After(end) {
			t.Fatalf("handshake %d ends %v after the window", i, ticket.End.Sub(end))
		}
		r.must(r.prove(ticket.ID, false))
		if !r.p.WindowEnd().Equal(end) {
			t.Fatalf("after proof %d the window ends %v later", i, r.p.WindowEnd().Sub(end))
		}
	}
	r.pass(end.Sub(r.now))
	r.wantState(Closed)
}

// Rule: a press in an open window starts a new window with a new PIN.
func TestPressInAnOpenWindow(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	first := r.last()
	ticket := r.mustStart(r.peer(1))
	r.pass(30 * time.Second)
	r.must(r.open(press))
	if r.last().PIN.Equal(first.PIN) || !r.last().Until.Equal(first.Until.Add(30*time.Second)) {
		t.Error("the second press did not start a new window with a new PIN")
	}
	if err := r.ended[ticket.ID]; !errors.Is(err, ErrWindowClosed) {
		t.Errorf("the handshake of the first window: %v, want ErrWindowClosed", err)
	}
	if err := r.prove(ticket.ID, true); !errors.Is(err, ErrEnded) {
		t.Errorf("a proof of the first window's PIN: %v, want ErrEnded", err)
	}
	r.wantState(Open)
}

// Rule: a window opens at the start only while the device has no owner.
func TestStartOpensOnlyWhileUnowned(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(Opening{By: ByStart}))
	r.wantState(Open)
	pin := r.last().PIN
	r.must(r.open(Opening{By: ByStart}))
	if !r.last().PIN.Equal(pin) {
		t.Error("a second start replaced the window")
	}
	r.owners["rob@home.example"] = true
	r.take(r.p.Confirmed(r.now, "rob@home.example"))
	r.wantState(Closed)
	r.wantLast(NoticePaired)
	if err := r.open(Opening{By: ByStart}); !errors.Is(err, ErrOwned) {
		t.Errorf("start of an owned device: %v, want ErrOwned", err)
	}
	r.must(r.open(press))
	r.take(r.p.Confirmed(r.now, "rob@home.example"))
	r.wantState(Open)
	if r.last().Kind != NoticePaired || r.last().PIN.IsZero() {
		t.Error("the confirmation hides the PIN of the window that the button opened")
	}
}

func TestNoWindowWithoutADisplay(t *testing.T) {
	works := false
	r := newRig(t, func(c *Config) { c.CanShow = func() bool { return works } })
	if err := r.open(press); !errors.Is(err, ErrNoDisplay) {
		t.Errorf("without a display: %v, want ErrNoDisplay", err)
	}
	r.wantState(Closed)
	works = true
	r.must(r.open(press))
}

func TestNoWindowWithoutAPIN(t *testing.T) {
	var fail error
	same := mustPIN(t, "31415926")
	r := newRig(t, func(c *Config) { c.DrawPIN = func() (PIN, error) { return same, fail } })
	fail = io.ErrUnexpectedEOF
	if err := r.open(press); !errors.Is(err, fail) {
		t.Errorf("with a broken source: %v", err)
	}
	r.wantState(Closed)
	fail = nil
	r.must(r.open(press))
	// The source is stuck: no window goes on, or begins, with the PIN of before.
	r.must(r.prove(r.mustStart(r.peer(1)).ID, false))
	r.wantState(Closed)
	r.wantLast(NoticeFault)
	if err := r.open(press); err == nil {
		t.Error("a second window with the same PIN")
	}
}

// Rule: a PIN is spent at the first client Finished, good or bad, and a new one is shown. What holds
// when several try at once: TestPINStaysInACrowd.
func TestFirstFinishedSpendsThePIN(t *testing.T) {
	for _, ok := range []bool{false, true} {
		r := newRig(t, nil)
		r.must(r.open(press))
		old := r.last().PIN
		a := r.mustStart(r.peer(1))
		if !a.PIN.Equal(old) {
			t.Fatal("the handshake has another PIN than the display")
		}
		r.must(r.prove(a.ID, ok))
		if _, ended := r.ended[a.ID]; ended {
			t.Errorf("ok=%v: the handshake that is being answered was ended", ok)
		}
		if err := r.prove(a.ID, true); !errors.Is(err, ErrEnded) {
			t.Errorf("ok=%v: a second proof of the same PIN: %v, want ErrEnded", ok, err)
		}
		if ok {
			r.wantLast(NoticeFinishing)
			if !r.last().PIN.IsZero() {
				t.Error("a PIN is shown during enrolment")
			}
			r.end(a.ID) // it fails
			r.wantLast(NoticeUnfinished)
		} else {
			r.wantLast(NoticeWrongPIN)
		}
		if r.last().PIN.IsZero() || r.last().PIN.Equal(old) {
			t.Errorf("ok=%v: no new PIN is shown", ok)
		}
		r.checkInvariants()
	}
}

// Rule: the first right Finished takes the PIN, and the other handshakes end.
func TestRightPINEndsTheOtherHandshakes(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	a, b := r.mustStart(r.peer(1)), r.mustStart(r.peer(2))
	r.must(r.prove(a.ID, true))
	if err := r.ended[b.ID]; !errors.Is(err, ErrTaken) {
		t.Errorf("the other handshake: %v, want ErrTaken", err)
	}
	if err := r.prove(b.ID, true); !errors.Is(err, ErrEnded) {
		t.Errorf("a second proof of the same PIN: %v, want ErrEnded", err)
	}
	r.checkInvariants()
}

// Rule: the count is synced before the answer.
func TestProofsAreCounted(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	e, err := r.p.Proof(r.now, r.mustStart(r.peer(1)).ID, false)
	r.must(err)
	if e.Persist == nil || *e.Persist != (Counters{Failures: 1, Proofs: 1}) {
		t.Fatalf("after a wrong PIN: persist %+v", e.Persist)
	}
	e, err = r.p.Proof(r.now, r.mustStart(r.peer(1)).ID, true)
	r.must(err)
	if e.Persist == nil || *e.Persist != (Counters{Failures: 0, Proofs: 2}) {
		t.Fatalf("after a right PIN: persist %+v", e.Persist)
	}
}

// Rule: a proof must arrive while the window is open; enrolment has 60 s after it.
func TestProofInTimeAndEnrolmentAfterTheEnd(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	r.pass(defaultWindow - time.Second)
	late, inTime := r.mustStart(r.peer(1)), r.mustStart(r.peer(2))
	r.must(r.prove(inTime.ID, true))
	r.pass(59 * time.Second)
	r.wantState(Enrolling)
	if err := r.prove(late.ID, true); !errors.Is(err, ErrEnded) {
		t.Errorf("a proof after the window: %v", err)
	}
	r.must(r.enrolled(inTime.ID))
	r.wantState(Closed)
	r.wantLast(NoticeStored)

	r = newRig(t, nil)
	r.must(r.open(press))
	ticket := r.mustStart(r.peer(1))
	r.now = r.p.WindowEnd() // no timer has fired
	if err := r.prove(ticket.ID, true); !errors.Is(err, ErrEnded) {
		t.Errorf("a proof at the window's end: %v, want ErrEnded", err)
	}
	if err := r.ended[ticket.ID]; !errors.Is(err, ErrWindowClosed) && !errors.Is(err, ErrTimeout) {
		t.Errorf("its handshake: %v", err)
	}
}

func TestEnrolmentHas60Seconds(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	ticket := r.mustStart(r.peer(1))
	r.must(r.prove(ticket.ID, true))
	if _, err := r.start(r.peer(2)); !errors.Is(err, ErrTooMany) {
		t.Errorf("a handshake during enrolment: %v, want ErrTooMany", err)
	}
	r.pass(60*time.Second - 1)
	r.wantState(Enrolling)
	r.pass(1)
	r.wantState(Open)
	if err := r.ended[ticket.ID]; !errors.Is(err, ErrTimeout) {
		t.Errorf("the enrolment: %v, want ErrTimeout", err)
	}
	if err := r.enrolled(ticket.ID); !errors.Is(err, ErrEnded) {
		t.Errorf("enrolled too late: %v, want ErrEnded", err)
	}
	// The same, when the window's own time is over meanwhile.
	r.pass(r.p.WindowEnd().Sub(r.now) - time.Second)
	r.must(r.prove(r.mustStart(r.peer(2)).ID, true))
	r.pass(60 * time.Second)
	r.wantState(Closed)
	r.wantLast(NoticeClosed)
}

// One window makes one owner; the session that made him may close in good order.
func TestEnrolledClosesTheWindow(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	ticket := r.mustStart(r.peer(1))
	if err := r.enrolled(ticket.ID); !errors.Is(err, ErrEnded) {
		t.Errorf("enrolled without a proof: %v", err)
	}
	r.must(r.prove(ticket.ID, true))
	r.must(r.enrolled(ticket.ID))
	r.wantState(Closed)
	if err, ended := r.ended[ticket.ID]; ended {
		t.Errorf("the enrolled session was ended: %v", err)
	}
	if err := r.enrolled(ticket.ID); !errors.Is(err, ErrEnded) {
		t.Errorf("enrolled twice: %v", err)
	}
	if _, err := r.start(r.peer(2)); !errors.Is(err, ErrNoWindow) {
		t.Errorf("a second owner in the same window: %v", err)
	}
	r.must(r.open(press)) // what is left of it is no handshake in the next window
	r.mustStart(r.peer(1))
	r.pass(60 * time.Second) // the SRP session ends after enrolment or 60 s
	if err := r.ended[ticket.ID]; !errors.Is(err, ErrTimeout) {
		t.Errorf("a session that stays: %v, want ErrTimeout", err)
	}
	r.checkInvariants()
}

// Rule: after 60 s in all a handshake is ended; its PIN is not spent.
func TestHandshakeHas60Seconds(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	ticket := r.mustStart(r.peer(1))
	if ticket.Stall != 10*time.Second || !ticket.End.Equal(r.now.Add(60*time.Second)) {
		t.Errorf("stall %v, end in %v", ticket.Stall, ticket.End.Sub(r.now))
	}
	r.pass(60*time.Second - 1)
	r.must(r.ended[ticket.ID])
	r.pass(1)
	if err := r.ended[ticket.ID]; !errors.Is(err, ErrTimeout) {
		t.Errorf("after 60 s: %v, want ErrTimeout", err)
	}
	if got := r.mustStart(r.peer(1)); !got.PIN.Equal(ticket.PIN) {
		t.Error("a handshake that proved nothing spent the PIN")
	}
}

// A Finished that was judged just after its handshake had been ended spends the PIN too.
func TestLateProofSpendsThePIN(t *testing.T) {
	for _, ok := range []bool{false, true} {
		r := newRig(t, nil)
		r.must(r.open(press))
		ticket := r.mustStart(r.peer(1))
		r.pass(60 * time.Second)
		if err := r.prove(ticket.ID, ok); !errors.Is(err, ErrEnded) {
			t.Errorf("late proof: %v, want ErrEnded", err)
		}
		r.wantState(Open)
		r.wantLast(NoticeWrongPIN)
		now := r.last().PIN
		if now.Equal(ticket.PIN) {
			t.Error("the PIN that was judged is still valid")
		}
		if r.p.window.proofs != 1 {
			t.Error("it does not count among the proofs of the window")
		}
		saves := r.saves
		_ = r.prove(ticket.ID, ok)
		if !r.p.window.pin.Equal(now) || r.saves != saves {
			t.Error("a second report of it spent the next PIN")
		}
	}
}
