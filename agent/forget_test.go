package agent

import (
	"crypto/rand"
	"errors"
	"log/slog"
	"path/filepath"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/control"
	"xtls-agent/pairing"
	"xtls-agent/trust"
)

func record(t *testing.T, bare string) trust.Record {
	t.Helper()
	id, err := trust.NewIdentity(bare, time.Now(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return trust.Record{JID: jid.MustParse(bare), DER: id.DER(), Fingerprint: id.Fingerprint(), Created: time.Now(), Link: trust.LAN}
}

func confirm(t *testing.T, owners *trust.Peers, r trust.Record, link trust.Link) {
	t.Helper()
	if err := owners.AddProvisional(r); err != nil {
		t.Fatal(err)
	}
	if _, _, err := owners.Confirm(r.JID, r.Fingerprint, link); err != nil {
		t.Fatal(err)
	}
}

// DESIGN §5, "a lost pairing, or a resurrected one": what is under way while the device forgets must not write
// down again what was forgotten.
func TestNothingUnderWayOutlivesAWipe(t *testing.T) {
	store := trust.NewMemStore()
	env := Env{Log: slog.New(slog.DiscardHandler)}.withDefaults()
	m, err := remember(store, "box", env)
	if err != nil {
		t.Fatal(err)
	}
	owner, guest := record(t, "romeo@phone"), record(t, "juliet@phone")
	confirm(t, m.owners, owner, trust.LAN)
	if err := m.wipe(); err != nil {
		t.Fatal(err)
	}
	if m.owners.Owned() {
		t.Error("sessions are still judged by the owners of before")
	}
	// A session whose handshake was done before the wipe: the first over a server link writes the set.
	if _, _, err := m.owners.Confirm(owner.JID, owner.Fingerprint, trust.Server); err == nil {
		t.Error("an owner of before was confirmed after the wipe")
	}
	// An enrolment whose PIN was proven before the wipe.
	if err := m.owners.AddProvisional(guest); err == nil {
		t.Error("an enrolment was stored after the wipe")
	}
	if err := m.counters().Save(pairing.Counters{Failures: 99}); err == nil {
		t.Error("counters were stored after the wipe")
	}
	if err := (&news{store: m.store}).add(owner.Key(), "a line"); err == nil {
		t.Error("news were stored after the wipe")
	}
	again, err := remember(store, "box", env)
	if err != nil {
		t.Fatal(err)
	}
	if all := again.owners.All(); len(all) != 0 {
		t.Errorf("after the wipe the device remembers %v", all)
	}
}

// stuck is a store whose disk no longer removes anything.
type stuck struct{ trust.Store }

func (stuck) Remove(string) error { return errors.New("disk failure") }

// DESIGN §5: wipes are in both copies before they are acknowledged.
func TestAWipeThatFailsIsNotAcknowledged(t *testing.T) {
	b := startBox(t, stuck{trust.NewMemStore()}, "")
	b.agent.lifeMu.Lock()
	confirm(t, b.agent.life.memory.owners, record(t, "romeo@phone"), trust.LAN)
	b.agent.lifeMu.Unlock()
	socket := filepath.Join(b.runDir, socketName)
	if res, err := CallLocal(t.Context(), socket, "reset", nil); err == nil && res.Failure == "" {
		t.Errorf("reset said %q, but the disk kept everything", res.Output)
	}
	b.screen.waitFor(t, "cannot be reset")
}

// DESIGN §4, "Removal ends sessions, tickets, grants, windows": also of one whose address has another record, which
// may be a claim from the LAN, or an enrolment that never came to its end.
func TestRemovalEndsTheWindowOfItsOwner(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	l := b.agent.life
	admin, guest, claim := record(t, "romeo@phone"), record(t, "juliet@phone"), record(t, "juliet@phone")
	confirm(t, l.memory.owners, admin, trust.Server)
	confirm(t, l.memory.owners, guest, trust.Server)
	confirm(t, l.memory.owners, claim, trust.LAN)
	l.keeper.Close()
	actor := control.Actor{Owner: guest.JID, Fingerprint: guest.Fingerprint.String()}
	if _, err := l.Open(t.Context(), actor, control.Allow{JIDs: []jid.JID{jid.MustParse("tybalt@phone")}}); err != nil {
		t.Fatal(err)
	}
	if got := l.keeper.Status().State; got != pairing.Open {
		t.Fatalf("the window is %v", got)
	}
	if err := l.memory.owners.Remove(trust.AtTheBox(), guest.Key()); err != nil {
		t.Fatal(err)
	}
	if got := l.keeper.Status().State; got != pairing.Closed {
		t.Errorf("the window of a removed owner is %v", got)
	}
}

// DESIGN §4: who ends a window ends the enrolment in it, though the PIN was proven.
func TestAnAttemptThatIsOverStoresNobody(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	l := b.agent.life
	attempt, err := l.keeper.Start(pairing.Peer{JID: "romeo@phone", Link: pairing.LinkLAN})
	if err != nil {
		t.Fatal(err)
	}
	defer attempt.End()
	if err := attempt.Proof(true); err != nil {
		t.Fatal(err)
	}
	l.keeper.Close()
	if err := l.admit(attempt, record(t, "romeo@phone")); err == nil || len(l.memory.owners.All()) != 0 {
		t.Errorf("stored %v, %v", l.memory.owners.All(), err)
	}
}
