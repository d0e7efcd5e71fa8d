package pairing

import (
	"errors"
	"testing"
)

func (r *rig) admit(p Peer) error {
	e, err := r.p.Admit(r.now, p)
	r.take(e)
	return err
}

// Rule: strangers cannot take the PIN from a person who is typing it. Once a second peer has been admitted, a wrong proof costs
// its peer a guess, and nobody else anything.
func TestPINStaysInACrowd(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	pin := r.last().PIN
	r.must(r.admit(r.peer(0))) // the owner begins to type
	handshaking := r.mustStart(r.peer(1))
	for i := range 100 {
		r.must(r.prove(r.mustStart(r.peer(2+i)).ID, false))
	}
	if err := r.ended[handshaking.ID]; err != nil {
		t.Errorf("another's handshake has ended: %v", err)
	}
	if !r.last().PIN.Equal(pin) {
		t.Error("the display shows another PIN")
	}
	r.wantLast(NoticeCrowded)
	if said := len(r.notices); said != 2 {
		t.Errorf("%d notices, want the PIN and one that says why it stays", said)
	}
	ticket := r.mustStart(r.peer(0))
	if !ticket.PIN.Equal(pin) {
		t.Fatal("the owner's handshake has another PIN than he typed")
	}
	r.must(r.prove(ticket.ID, true))
	r.wantState(Enrolling)
	if err := r.ended[handshaking.ID]; !errors.Is(err, ErrTaken) {
		t.Errorf("the PIN was proven, and another's handshake goes on: %v", err)
	}
	r.checkInvariants()
}

// A peer alone in a window is no crowd, whatever it asks for: its PIN is replaced at each failure.
func TestOnePeerIsNoCrowd(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	old := r.last().PIN
	r.must(r.admit(r.peer(0)))
	r.must(r.admit(r.peer(0)))
	_ = r.mayTry(r.peer(1)) // asks to see the device
	r.must(r.prove(r.mustStart(r.peer(0)).ID, false))
	r.wantLast(NoticeWrongPIN)
	if r.last().PIN.Equal(old) {
		t.Error("the PIN that was proven wrong stays")
	}
}

// Whoever may not try makes no crowd.
func TestStrangersMakeNoCrowd(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	r.must(r.admit(r.peer(0)))
	if err := r.admit(Peer{JID: "eve@elsewhere.example"}); !errors.Is(err, ErrMayNotTry) {
		t.Fatal(err)
	}
	old := r.last().PIN
	r.must(r.prove(r.mustStart(r.peer(0)).ID, false))
	if r.last().PIN.Equal(old) {
		t.Error("the PIN stays, because of somebody who may not try")
	}
}

// A press gives a new PIN. Who was there before is still there.
func TestCrowdOutlivesAPress(t *testing.T) {
	r := newRig(t, nil)
	r.must(r.open(press))
	r.must(r.admit(r.peer(0)))
	old := r.last().PIN
	r.must(r.open(press))
	pin := r.last().PIN
	if pin.Equal(old) {
		t.Fatal("a press gave no new PIN")
	}
	r.must(r.prove(r.mustStart(r.peer(1)).ID, false))
	if !r.last().PIN.Equal(pin) {
		t.Error("a stranger took the PIN from the person who has asked before the press")
	}
	for i := range 3 * maxAtOnce {
		_ = r.admit(r.peer(i))
	}
	r.must(r.open(press))
	if n := len(r.p.window.peers); n != maxAtOnce {
		t.Errorf("%d peers of the window before are remembered, want %d", n, maxAtOnce)
	}
}

// The first failure of a PIN on a label makes everybody wait, crowd or not: that PIN stays for ever.
func TestFixedPINKnowsNoCrowd(t *testing.T) {
	r := newRig(t, fixed(t))
	r.must(r.open(press))
	r.must(r.admit(r.peer(0)))
	r.must(r.prove(r.mustStart(r.peer(1)).ID, false))
	r.wantState(Waiting)
}
