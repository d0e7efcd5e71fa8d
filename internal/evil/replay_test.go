package evil

import (
	"context"
	"errors"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"xtls-agent/owner"
	"xtls-agent/xmpp"
)

// A whole recorded pairing, repeated to the device word for word while a window is open: it makes nobody an owner, and the
// owner that there is stays the only one.
func TestReplayedPairing(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	sc.p.mustPair(sc.d)
	var recorded []*xmpp.Stanza
	for _, st := range sc.sent() {
		if st.From.String() == romeoJID && st.To.String() == boxJID {
			recorded = append(recorded, st)
		}
	}
	sc.d.press()
	before := len(sc.sent())
	for _, st := range recorded {
		heard := len(sc.sent())
		sc.inject(st)
		for end := time.Now().Add(stall / 7); len(sc.sent()) == heard && time.Now().Before(end); { // let it have its say
			time.Sleep(time.Millisecond)
		}
	}
	answers, accepted := 0, 0
	for _, st := range sc.sent()[before:] {
		if st.From.String() == boxJID {
			answers++
			if strings.Contains(st.Element().String(), Answer) {
				accepted++
			}
		}
	}
	if answers < len(recorded)/2 || accepted == 0 {
		t.Fatalf("the weapon does not work: of %d stanzas the device answered %d and accepted %d sessions", len(recorded), answers, accepted)
	}
	if good, _ := sc.d.proofs.count(); good != 1 {
		t.Errorf("%d proofs were good, and one pairing was honest", good)
	}
	sc.check(t)
	if n := len(sc.d.owners()); n != 1 {
		t.Errorf("%d owners", n)
	}
	if err := inTime(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) }); err != nil {
		t.Errorf("after the replay the owner does not get in: %v", err)
	}
}

// What a device has said in one pairing does not pair with the owner again.
func TestReplayedToTheOwner(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	sc.p.mustPair(sc.d)
	recorded := blocksFrom(sc.sent(), boxJID)
	next, hits := 0, 0
	sc.become(func(st *xmpp.Stanza) []*xmpp.Stanza {
		if !IsData(st) || st.From.String() != boxJID || next >= len(recorded) {
			return []*xmpp.Stanza{st}
		}
		again := WithBlock(st, recorded[next])
		next++
		hits++
		return []*xmpp.Stanza{again}
	})
	sc.d.press()
	err := sc.whileItMoves(t, func(ctx context.Context) error { return sc.p.pair(ctx, boxJID, sc.d) })
	sc.become(nil)
	if hits == 0 {
		t.Fatal("the weapon never hit")
	}
	if err == nil {
		t.Error("paired with a recording")
	}
	sc.check(t)
}

// DESIGN §3: Open offers x509 only, so nobody can steer a paired owner back to a PIN. The server declines in the device's
// name, in every way that there is, and answers with srp; a window is open, and the person would type.
func TestSteeredBackToAPIN(t *testing.T) {
	t.Parallel()
	reasons := map[string]string{
		"not known":   "<decline/><not-known xmlns='urn:xtls-agent:pairing:0'/>",
		"not pairing": "<decline/><not-pairing xmlns='urn:xtls-agent:pairing:0'/>",
		"too many":    "<decline/><too-many xmlns='urn:xtls-agent:pairing:0'/>",
		"decline":     "<decline/>", "security error": "<security-error/>", "gone": "<gone/>", "timeout": "<timeout/>",
	}
	for name, reason := range reasons {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			sc := newScene(t)
			sc.p.mustPair(sc.d)
			sc.d.press()
			before := len(sc.sent())
			w := &Weapon{Change: In(Answer, func(text string) string {
				text = strings.Replace(text, "session-accept", "session-terminate", 1)
				return Replace("<content.*</content>", "<reason>"+reason+"</reason>")(text)
			})}
			sc.become(w.Move)
			err := sc.whileItMoves(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) })
			sc.become(nil)
			if w.Hits.Load() != 1 {
				t.Fatal("the weapon never hit")
			}
			if err == nil || errors.Is(err, owner.ErrNotPairing) || errors.Is(err, owner.ErrWrongPIN) || errors.Is(err, owner.ErrTooMany) {
				t.Errorf("what the person is told: %v", err)
			}
			sc.neverSRP(t, before)
			if err := inTime(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) }); err != nil {
				t.Errorf("and when the server is honest again: %v", err)
			}
			sc.check(t)
		})
	}
}

// neverSRP shows that the owner's program has not spoken of srp since, and has asked nobody for a PIN but once.
func (sc *scene) neverSRP(t *testing.T, since int) {
	t.Helper()
	for _, st := range sc.sent()[since:] {
		if st.From.String() == romeoJID && strings.Contains(st.Element().String(), "name='srp'") {
			t.Errorf("a later session offered srp: %s", st.Element())
		}
	}
	if sc.p.asked.Load() != 1 {
		t.Errorf("the person was asked for a PIN %d times", sc.p.asked.Load())
	}
}

// A rogue device that a paired owner is connected to, with a certificate of its own and TLS 1.3: it is not the pinned one.
func TestRogueDeviceWithACertificate(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	sc.p.mustPair(sc.d)
	before := len(sc.sent())
	startAttacker(t, sc.mask(romeoJID, boxJID), func() string { return "00000000" })
	if err := sc.whileItMoves(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) }); !errors.Is(err, owner.ErrNotAuthentic) {
		t.Errorf("another certificate: %v", err)
	}
	sc.neverSRP(t, before)
	sc.unmask()
	if err := inTime(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) }); err != nil {
		t.Error(err)
	}
	sc.check(t)
}

// The same device announces the pinned certificate, which everybody may know, and shows its own.
func TestRogueDeviceAnnouncesThePinnedCertificate(t *testing.T) {
	t.Parallel()
	sc := newScene(t)
	sc.p.mustPair(sc.d)
	before := len(sc.sent())
	l := sc.mask(romeoJID, boxJID)
	altered := new(atomic.Bool)
	l.alter = In(Answer, func(text string) string {
		altered.Store(true)
		return Replace(">[0-9a-f]{64}<", ">"+sc.d.identity().String()+"<")(text)
	})
	startAttacker(t, l, func() string { return "00000000" })
	err := sc.whileItMoves(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) })
	if !altered.Load() {
		t.Fatal("the weapon never hit")
	}
	if err == nil {
		t.Error("a session with a certificate that is not the pinned one")
	}
	sc.neverSRP(t, before)
	sc.check(t)
}
