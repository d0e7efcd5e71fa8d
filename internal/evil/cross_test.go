package evil

import (
	"context"
	"errors"
	"strings"
	"testing"

	"xtls-agent/owner"
	"xtls-agent/xmpp"
)

// DESIGN §3: the end-to-end stream header stops a server from cross-connecting two devices, even one whose PIN the
// person is made to type.
func TestCrossConnectedDevices(t *testing.T) {
	t.Parallel()
	for _, which := range []string{"PIN of the device that is meant", "PIN of the device that answers"} {
		t.Run(which, func(t *testing.T) {
			t.Parallel()
			s := newServer()
			d, d2, p := startDevice(t, s, boxJID), startDevice(t, s, box2JID), startPhone(t, s, romeoJID)
			read := d
			if strings.HasSuffix(which, "answers") {
				read = d2
			}
			s.become(Crossed(romeoJID, boxJID, box2JID))
			err := inTime(t, func(ctx context.Context) error { return p.pair(ctx, boxJID, read) })
			good, wrong := d2.proofs.count()
			if good+wrong != 1 {
				t.Fatalf("the weapon does not work: the other device judged %d PINs; %v", good+wrong, err)
			}
			switch {
			case read == d && !errors.Is(err, owner.ErrWrongPIN):
				t.Errorf("the wrong device's PIN: %v", err)
			case read == d2 && (good != 1 || err == nil || errors.Is(err, owner.ErrWrongPIN)):
				t.Errorf("the PIN was right (%d), and then: %v", good, err)
			}
			if a, b, c := len(d.owners()), len(d2.owners()), len(p.keys.Devices.All()); a+b+c != 0 {
				t.Errorf("cross-connected, and yet there are records: %d, %d, %d", a, b, c)
			}
			s.become(nil)
			d.press()
			p.mustPair(d)
		})
	}
}

// The certificates of two devices do not make one of them the other.
func TestCrossConnectedDevicesLater(t *testing.T) {
	t.Parallel()
	s := newServer()
	d, d2, p := startDevice(t, s, boxJID), startDevice(t, s, box2JID), startPhone(t, s, romeoJID)
	p.mustPair(d)
	if err := inTime(t, func(ctx context.Context) error { return p.pair(ctx, box2JID, d2) }); err != nil {
		t.Fatal(err)
	}
	s.become(Crossed(romeoJID, boxJID, box2JID))
	if err := s.whileItMoves(t, func(ctx context.Context) error { return p.open(ctx, boxJID) }); !errors.Is(err, owner.ErrNotAuthentic) {
		t.Errorf("the other paired device answers: %v", err)
	}
	s.become(nil)
	if err := inTime(t, func(ctx context.Context) error { return p.open(ctx, boxJID) }); err != nil {
		t.Error(err)
	}
}

// The SRP user name is the own address: what one owner sends does not count as another's, and costs no PIN.
func TestCrossConnectedOwners(t *testing.T) {
	t.Parallel()
	s := newServer()
	d, p := startDevice(t, s, boxJID), startPhone(t, s, romeoJID)
	startPhone(t, s, paulJID)
	s.become(Crossed(boxJID, paulJID, romeoJID)) // the device hears romeo as paul
	err := s.whileItMoves(t, func(ctx context.Context) error { return p.pair(ctx, boxJID, d) })
	if err == nil {
		t.Error("paired as somebody else")
	}
	if p.asked.Load() != 1 {
		t.Fatalf("the weapon does not work: the device did not agree to pair with the other name; %v", err)
	}
	if good, wrong := d.proofs.count(); good+wrong != 0 {
		t.Errorf("%d PINs were spent", good+wrong)
	}
	check(t, nil, []*device{d}, []*phone{p})
	s.become(nil)
	p.mustPair(d)
}

// Two owners of one device: neither's certificate opens a session in the other's name.
func TestCrossConnectedOwnersLater(t *testing.T) {
	t.Parallel()
	s := newServer()
	d, p, q := startDevice(t, s, boxJID), startPhone(t, s, romeoJID), startPhone(t, s, paulJID)
	p.mustPair(d)
	d.press()
	if err := inTime(t, func(ctx context.Context) error { return q.pair(ctx, boxJID, d) }); err == nil {
		t.Fatal("a press at an owned device let somebody in whom no owner has named")
	}
	s.become(Crossed(boxJID, romeoJID, paulJID)) // the device hears paul as romeo
	if err := s.whileItMoves(t, func(ctx context.Context) error { return q.pair(ctx, boxJID, d) }); err == nil {
		t.Error("a stranger paired in an owner's name")
	}
	if q.asked.Load() == 0 {
		t.Fatal("the weapon does not work: the device did not take paul for romeo")
	}
	check(t, model{p: {d}}, []*device{d}, []*phone{p, q})
}

// The two roles of one: what an owner says comes back to him as the device's words.
func TestReflected(t *testing.T) {
	t.Parallel()
	for _, what := range []string{"everything", "the bytes of TLS"} {
		for _, later := range []bool{false, true} {
			name := what + " while they pair"
			if later {
				name = what + " in a later session"
			}
			t.Run(name, func(t *testing.T) { t.Parallel(); reflected(t, what == "everything", later) })
		}
	}
}

func reflected(t *testing.T, everything, later bool) {
	s := newServer()
	d, p := startDevice(t, s, boxJID), startPhone(t, s, romeoJID)
	if later {
		p.mustPair(d)
	}
	asked, hits := p.asked.Load(), 0
	s.become(func(st *xmpp.Stanza) []*xmpp.Stanza {
		if st.From.String() != romeoJID || st.To.String() != boxJID {
			return []*xmpp.Stanza{st}
		}
		bytes := strings.Contains(st.Element().String(), "<data ")
		if everything || bytes {
			hits++ // moves are called one at a time
			st.From, st.To = st.To, st.From
		}
		return []*xmpp.Stanza{st}
	})
	err := s.whileItMoves(t, func(ctx context.Context) error {
		if later {
			return p.open(ctx, boxJID)
		}
		return p.pair(ctx, boxJID, d)
	})
	s.become(nil)
	if hits == 0 {
		t.Fatal("the weapon never hit")
	}
	if err == nil {
		t.Error("an owner took himself for the device")
	}
	if later && p.asked.Load() != asked {
		t.Error("a later session asked for a PIN")
	}
	check(t, model{p: {d}}, []*device{d}, []*phone{p})
}
