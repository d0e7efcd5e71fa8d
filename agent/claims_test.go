package agent

import (
	"context"
	"errors"
	"testing"

	"xtls-agent/owner"
	"xtls-agent/pairing"
	"xtls-agent/trust"
)

// DESIGN §4, "Who may try": a JID on the LAN is a claim. Once the device is owned, a press of its button does not
// let somebody in there who says that he is the owner, and he is not asked for a PIN.
func TestAPressDoesNotLetAClaimIn(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	pairOn(t, b, newKeys(t, "phone"), "romeo@phone").Session.Close()
	press(t, b, "press")
	b.screen.lastPIN(t, b.used...) // the window is open
	_, err := dial(t, b, newKeys(t, "visitor"), "romeo@phone").Pair(t.Context(), owner.Request{
		PIN: func(context.Context) (pairing.PIN, error) {
			t.Error("the visitor was asked for a PIN")
			return pairing.PIN{}, errors.New("none")
		},
	})
	if !errors.Is(err, owner.ErrRefused) {
		t.Errorf("the visitor hears: %v", err)
	}
	if n := len(b.agent.life.memory.owners.All()); n != 1 {
		t.Errorf("%d owners", n)
	}
}

// DESIGN §4: a name learnt on the LAN gives no rights on the server link until x509 has succeeded from it there; an
// enrolment that was not confirmed gives none anywhere.
func TestRightsOfANameLearntOnTheLAN(t *testing.T) {
	b := startBox(t, trust.NewMemStore(), "")
	peers := b.agent.life.memory.owners
	policy := owners{peers}
	claimed := record(t, "romeo@home.example")
	confirm(t, peers, claimed, trust.LAN)
	half := record(t, "juliet@home.example")
	if err := peers.AddProvisional(half); err != nil {
		t.Fatal(err)
	}
	may := func(bare string, link pairing.Link, want bool) {
		t.Helper()
		if got := policy.Owner(bare, link); got != want {
			t.Errorf("%s on link %v: %v, want %v", bare, link, got, want)
		}
	}
	may("romeo@home.example", pairing.LinkLAN, true)
	may("romeo@home.example", pairing.LinkServer, false)
	may("juliet@home.example", pairing.LinkLAN, false)
	may("juliet@home.example", pairing.LinkServer, false)
	if b.agent.life.guests.isOwner(claimed.JID) {
		t.Error("a claimed name may see the device's presence")
	}
	if _, _, err := peers.Confirm(claimed.JID, claimed.Fingerprint, trust.Server); err != nil {
		t.Fatal(err)
	}
	may("romeo@home.example", pairing.LinkServer, true)
}
