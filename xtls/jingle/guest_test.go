package jingle

import (
	"fmt"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// DESIGN §5, Unbounded anything: guests have three sessions each and share half of the places, so that a friend always finds one.
func TestCapsOnGuests(t *testing.T) {
	r := linktest.NewRouter()
	join(t, r, julietJID, func(c *Config) {
		c.MaxSessions = 14
		c.Allow = func(peer jid.JID) Leave {
			if peer.Localpart() == "friend" {
				return Friend
			}
			return Guest
		}
	})
	offer := func(address string) *xmpp.Error {
		p := joinRaw(t, r, address)
		j := offerOf("1")
		j.Initiator = jid.MustParse(address)
		return p.ask(t, juliet, j)
	}
	for guest := range 3 {
		for i := range 4 {
			e := offer(fmt.Sprintf("eve%d@x/%d", guest, i))
			room := i < 3 && guest*3+i < 7
			if room && e != nil || !room && !is(e, xmpp.ResourceConstraint, "") {
				t.Errorf("session %d of guest %d: %v", i, guest, e)
			}
		}
	}
	for i := range 4 {
		if e := offer(fmt.Sprintf("friend@x/%d", i)); e != nil {
			t.Errorf("session %d of a friend: %v", i, e)
		}
	}
}
