package evil

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/xtls"
)

// other returns a PIN that is not this one.
func other(pin string) string {
	digits := []byte(pin)
	digits[0] = '0' + (digits[0]-'0'+1)%10
	return string(digits)
}

func digits(t testing.TB, shown string) string {
	t.Helper()
	pin, err := owner.ParsePIN(shown)
	if err != nil {
		t.Fatal(err)
	}
	return pin.Digits()
}

// The weapon of the tests below: who knows the PIN is whom the person means. A server that has read the display
// pairs with both, as itself.
func TestServerThatKnowsThePINPairs(t *testing.T) {
	t.Parallel()
	s := newServer()
	d, p := startDevice(t, s, boxJID), startPhone(t, s, romeoJID)
	pin := digits(t, d.screen.pin(t))
	rogue := startAttacker(t, s.mask(romeoJID, boxJID), func() string { return pin })
	if err := inTime(t, func(ctx context.Context) error { return p.pair(ctx, boxJID, d) }); err != nil {
		t.Fatalf("a rogue device that knows the PIN does not pair: %v", err)
	}
	if list := p.keys.Devices.All(); len(list) != 1 || list[0].Fingerprint != rogue.id.Fingerprint() {
		t.Errorf("the owner trusts %v", list)
	}
	burglar := startAttacker(t, s.mask(boxJID, romeoJID), nil)
	if err := inTime(t, func(ctx context.Context) error { return burglar.tryPIN(ctx, boxJID, pin) }); err != nil {
		t.Fatalf("a rogue owner that knows the PIN does not pair: %v", err)
	}
	if list := d.owners(); len(list) != 1 || list[0].Fingerprint != burglar.id.Fingerprint() {
		t.Errorf("the device trusts %v", list)
	}
}

// DESIGN §4: in TLS-SRP the client proves first, so a server that plays the device learns one guess a try; and the owner's
// program tries only when a person types.
func TestRogueDeviceGuessesOnceATry(t *testing.T) {
	t.Parallel()
	s := newServer()
	d, p := startDevice(t, s, boxJID), startPhone(t, s, romeoJID)
	pin := digits(t, d.screen.pin(t))
	rogue := startAttacker(t, s.mask(romeoJID, boxJID), func() string { return other(pin) })
	const tries = 5
	for i := range int32(tries) {
		err := inTime(t, func(ctx context.Context) error { return p.pair(ctx, boxJID, d) })
		if !errors.Is(err, owner.ErrWrongPIN) {
			t.Fatalf("a rogue device with a wrong PIN: %v", err)
		}
		if rogue.judged.Load() != i+1 || p.asked.Load() != i+1 {
			t.Fatalf("after %d tries: %d guesses, the person was asked %d times", i+1, rogue.judged.Load(), p.asked.Load())
		}
	}
	check(t, nil, []*device{d}, []*phone{p})
	if rogue.right.Load() != 0 || rogue.adopted.Load() != 0 {
		t.Error("the weapon was not what it seemed: a guess was right")
	}
	t.Logf("%d tries by the person: %d guesses by the server, %d of its certificates trusted", tries, rogue.judged.Load(), len(p.keys.Devices.All()))
}

// DESIGN §4: 2 failed proofs a peer, 1 where there were 30, and 128 in a window, from everybody. A server can be everybody.
func TestRogueOwnersGuess128TimesAWindow(t *testing.T) {
	t.Parallel()
	s := newServer()
	d := startDevice(t, s, boxJID)
	guesses, refused := 0, 0
	for n := range 115 {
		name := fmt.Sprintf("nobody%d@home.example/x", n)
		a := startAttacker(t, s.mask(boxJID, name), nil)
		for range 2 {
			err := inTime(t, func(ctx context.Context) error { return a.tryPIN(ctx, boxJID, other(digits(t, d.screen.pin(t)))) })
			switch {
			case errors.Is(err, xtls.ErrWrongPIN):
				guesses++
			case err != nil:
				refused++
			default:
				t.Fatal("a wrong PIN was right")
			}
		}
	}
	good, wrong := d.proofs.count()
	if guesses != 128 || wrong != 128 || good != 0 {
		t.Errorf("%d guesses in a window, of which the device judged %d wrong and %d right; want 128", guesses, wrong, good)
	}
	check(t, nil, []*device{d}, nil)
	t.Logf("one window: %d guesses by the server at PINs of 10^8, and %d refused", guesses, refused)

	d.press() // the next window is as it must be
	p := startPhone(t, s, romeoJID)
	p.mustPair(d)
	if len(d.owners()) != 1 || !d.owners()[0].JID.Equal(jid.MustParse(romeoJID).Bare()) {
		t.Errorf("owners: %v", d.owners())
	}
}
