package trust

import (
	"errors"
	"fmt"
	"testing"

	"mellium.im/xmpp/jid"
)

// A further name of an owner is the same certificate's, and a claim: DESIGN §4, "a name learnt there gives no rights on the
// server link until x509 has succeeded from it there".
func TestNames(t *testing.T) {
	c := newCast(t)
	store := NewMemStore()
	p := load(t, store, Owners)
	enrol(t, p, c.record("anna"), c.admittedBy("anna", "ben"))
	confirm(t, p, c.key("anna"), Server)
	away := jid.MustParse("anna@away.example")
	if err := p.AddName(c.key("carl"), away, ""); !errors.Is(err, ErrUnknownPeer) {
		t.Errorf("a stranger has a further name: %v", err)
	}
	add(t, p, c.record("dora"))
	if err := p.AddName(c.key("dora"), away, ""); !errors.Is(err, ErrUnknownPeer) {
		t.Errorf("somebody who has proven no key has a further name: %v", err)
	}
	for _, bad := range []jid.JID{{}, jid.MustParse("anna@away.example/phone")} {
		if err := p.AddName(c.key("anna"), bad, ""); err == nil {
			t.Errorf("%q is a name", bad)
		}
	}
	for range 2 { // the second time changes nothing
		if err := p.AddName(c.key("anna"), away, ""); err != nil {
			t.Fatal(err)
		}
	}
	anna := c.record("anna").Fingerprint
	if r, ok := p.Trusted(away, anna); !ok || r.State != Confirmed || r.Role != Owner || len(p.All()) != 4 {
		t.Errorf("%+v, %v, of %d", r, ok, len(p.All()))
	}
	if _, ok := p.Trusted(away, c.record("ben").Fingerprint); ok {
		t.Error("another certificate has the name too")
	}
	if p.MayTryOnServer(away) {
		t.Error("a claim has rights on the server link")
	}
	if _, first, err := p.Confirm(away, anna, Server); err != nil || first || !p.MayTryOnServer(away) {
		t.Errorf("proven there, it has none: first %v, %v", first, err)
	}
	if got := load(t, store, Owners); names(got) != names(p) || !got.MayTryOnServer(away) {
		t.Errorf("on disk: %s, want %s", names(got), names(p))
	}
}

func TestTheAdminIsACertificate(t *testing.T) {
	c := newCast(t)
	p := load(t, NewMemStore(), Owners)
	add(t, p, c.record("anna"))
	if p.IsAdmin(c.record("anna").Fingerprint) {
		t.Error("a provisional owner is the admin")
	}
	confirm(t, p, c.key("anna"), LAN)
	enrol(t, p, c.admittedBy("anna", "ben"))
	if !p.IsAdmin(c.record("anna").Fingerprint) || p.IsAdmin(c.record("ben").Fingerprint) || p.IsAdmin(Fingerprint{}) {
		t.Error("the admin is another")
	}
	if load(t, NewMemStore(), Devices).IsAdmin(Fingerprint{}) {
		t.Error("a set of devices has an admin")
	}
}

func TestNamesAreBounded(t *testing.T) {
	c := newCast(t)
	p := load(t, NewMemStore(), Owners)
	enrol(t, p, c.record("anna"))
	for i := 1; ; i++ {
		err := p.AddName(c.key("anna"), jid.MustParse(fmt.Sprintf("anna%d@away.example", i)), "")
		if i == MaxConfirmed && errors.Is(err, ErrFull) {
			return
		}
		if err != nil || i > MaxConfirmed {
			t.Fatalf("%d names: %v", i, err)
		}
	}
}

// Who removes an owner removes the further names of that certificate; other owners whom he admitted stay.
func TestNamesGoWithTheirOwner(t *testing.T) {
	c := newCast(t)
	p := load(t, NewMemStore(), Owners)
	enrol(t, p, c.record("anna"), c.admittedBy("anna", "ben"))
	away := jid.MustParse("anna@away.example")
	if err := p.AddName(c.key("anna"), away, ""); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(AtTheBox(), c.key("anna")); err != nil {
		t.Fatal(err)
	}
	if got := names(p); got != "ben+*" {
		t.Errorf("left: %s", got)
	}
}

// A program's device gets another address under the name that a person gave it.
func TestNameOfADevice(t *testing.T) {
	c := newCast(t)
	store := NewMemStore()
	p := load(t, store, Devices)
	enrol(t, p, c.record("anna"))
	if err := p.AddName(c.key("anna"), jid.MustParse("box@away.example"), "telly"); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(AtTheBox(), c.key("anna")); err != nil {
		t.Fatal(err)
	}
	if got := load(t, store, Devices).All(); len(got) != 1 || got[0].Name != "telly" || got[0].Role != "" {
		t.Errorf("%+v", got)
	}
}
