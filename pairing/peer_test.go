package pairing

import (
	"errors"
	"fmt"
	"net/netip"
	"testing"
)

// DESIGN §4 "Who may try", every row: nil, or the answer.
func TestWhoMayTry(t *testing.T) {
	guests, err := ParseGuests([]string{"guest@else.example"})
	if err != nil {
		t.Fatal(err)
	}
	everybody, err := ParseGuests([]string{"anyone"})
	if err != nil {
		t.Fatal(err)
	}
	configured, err := ParsePatterns([]string{"*@configured.example"})
	if err != nil {
		t.Fatal(err)
	}
	server := func(jid string) Peer { return Peer{JID: jid} }
	var (
		none    *Opening
		start   = &Opening{By: ByStart}
		button  = &Opening{By: ByButton}
		sneaky  = &Opening{By: ByButton, Guests: everybody} // a press names nobody
		local   = &Opening{By: ByLocal}
		localG  = &Opening{By: ByLocal, Guests: guests}
		owner   = &Opening{By: ByOwner, Opener: "rob@home.example"}
		ownerG  = &Opening{By: ByOwner, Opener: "rob@home.example", Guests: guests}
		ownerAn = &Opening{By: ByOwner, Opener: "rob@home.example", Guests: everybody}
	)
	// rob is an owner, proven on the server; lena was paired on the LAN only.
	const unowned, owned = false, true
	for _, test := range []struct {
		owned  bool
		window *Opening
		peer   Peer
		want   error
	}{
		// While unowned: the device's own domain, and the LAN; more only if configured.
		{unowned, start, server("rob@home.example"), nil},
		{unowned, button, server("rob@home.example"), nil},
		{unowned, button, server("rob@sub.home.example"), ErrMayNotTry},
		{unowned, button, server("mallory@else.example"), ErrMayNotTry},
		{unowned, button, server("friend@configured.example"), nil},
		{unowned, button, server(""), ErrMayNotTry},
		{unowned, start, lan(1, "mallory@else.example"), nil},
		{unowned, start, lan(1, ""), ErrMayNotTry},
		{unowned, localG, server("guest@else.example"), nil},
		{unowned, sneaky, server("mallory@else.example"), ErrMayNotTry},
		{unowned, none, server("rob@home.example"), ErrNoWindow},
		{unowned, none, server("mallory@else.example"), ErrMayNotTry},
		{unowned, none, lan(1, "mallory@else.example"), ErrNoWindow},
		// Once owned: owners' bare JIDs on the server link, and whom `pair` named.
		{owned, button, server("rob@home.example"), nil},
		{owned, owner, server("rob@home.example"), nil},
		{owned, button, server("neighbour@home.example"), ErrMayNotTry},
		{owned, button, server("friend@configured.example"), ErrMayNotTry},
		{owned, owner, server("neighbour@home.example"), ErrMayNotTry},
		{owned, ownerG, server("guest@else.example"), nil},
		{owned, localG, server("guest@else.example"), nil},
		{owned, ownerG, server("neighbour@home.example"), ErrMayNotTry},
		{owned, ownerAn, server("mallory@else.example"), nil},
		{owned, sneaky, server("mallory@else.example"), ErrMayNotTry},
		{owned, none, server("rob@home.example"), ErrNoWindow},
		{owned, none, server("neighbour@home.example"), ErrMayNotTry},
		{owned, none, server("guest@else.example"), ErrMayNotTry},
		// A name learnt on the LAN gives no rights on the server link.
		{owned, button, server("lena@laptop"), ErrMayNotTry},
		{owned, owner, lan(1, "lena@laptop"), nil},
		// Once owned, the LAN only in windows opened over x509 or by the local command.
		{owned, button, lan(1, "rob@home.example"), ErrMayNotTry},
		{owned, local, lan(1, "rob@home.example"), nil},
		{owned, owner, lan(1, "rob@home.example"), nil},
		{owned, owner, lan(1, "mallory@else.example"), ErrMayNotTry},
		{owned, ownerG, lan(1, "guest@else.example"), nil},
		{owned, ownerAn, lan(1, "mallory@else.example"), nil},
		{owned, none, lan(1, "rob@home.example"), ErrNoWindow},
		{owned, none, lan(1, "mallory@else.example"), ErrMayNotTry},
	} {
		name := fmt.Sprintf("owned=%v window=%+v peer=%+v", test.owned, test.window, test.peer)
		r := newRig(t, func(c *Config) { c.Allow = configured })
		if test.owned {
			r.owners["rob@home.example"], r.owners["lena@laptop"] = true, false
		}
		if test.window != nil {
			r.must(r.open(*test.window))
		}
		if err := r.mayTry(test.peer); !errors.Is(err, test.want) || test.want == nil && err != nil {
			t.Errorf("%s: MayTry = %v, want %v", name, err, test.want)
		}
		if _, err := r.start(test.peer); !errors.Is(err, test.want) || test.want == nil && err != nil {
			t.Errorf("%s: Start = %v, want %v", name, err, test.want)
		}
	}
}

// A device without an account has no own domain, and an empty domain is nobody's.
func TestNoDomainNoPeers(t *testing.T) {
	r := newRig(t, func(c *Config) { c.Domain = "" })
	r.must(r.open(press))
	for _, jid := range []string{"x@home.example", "x@", "@"} {
		if err := r.mayTry(Peer{JID: jid}); !errors.Is(err, ErrMayNotTry) {
			t.Errorf("%q: %v, want ErrMayNotTry", jid, err)
		}
	}
}

// Rule: a peer that may not try while a window is open is named on the display, once,
// next to the PIN, and not without end.
func TestRefusedPeersAreNamed(t *testing.T) {
	r := newRig(t, nil)
	stranger := func(i int) Peer { return Peer{JID: fmt.Sprintf("mallory%d@else.example", i)} }
	_ = r.mayTry(stranger(0))
	if len(r.notices) != 0 {
		t.Error("named while no window is open")
	}
	r.must(r.open(press))
	pin := r.last().PIN
	_ = r.mayTry(stranger(0))
	if n := r.last(); n.Kind != NoticeMayNotTry || n.Peer != stranger(0).JID || !n.PIN.Equal(pin) || n.Until.IsZero() {
		t.Errorf("the display says %q", n.Text())
	}
	said := len(r.notices)
	_, _ = r.start(stranger(0))
	if len(r.notices) != said {
		t.Error("named twice")
	}
	for i := range 100 {
		_ = r.mayTry(stranger(i))
	}
	if got := len(r.notices) - said; got != maxNamed-1 {
		t.Errorf("%d more named, want %d", got, maxNamed-1)
	}
}

// An IPv4 address is one peer, also in its IPv6 form.
func TestPeerKeyOfMappedAddress(t *testing.T) {
	a := Peer{Link: LinkLAN, Addr: netip.MustParseAddr("192.168.0.7")}
	b := Peer{Link: LinkLAN, Addr: netip.MustParseAddr("::ffff:192.168.0.7"), JID: "x@y"}
	if a.key() != b.key() {
		t.Error("two keys for one address")
	}
	if a.key() == (Peer{JID: "x@y"}).key() {
		t.Error("a key of the LAN is one of the server link")
	}
}
