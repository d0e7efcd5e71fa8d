package e2e

import (
	"testing"

	"xtls-agent/internal/testpeer"
)

// Device and owner have their accounts on two servers that federate. While it has no owner, a device is for its own
// domain; more only if configured (DESIGN §4, who may try).
func TestTwoServers(t *testing.T) {
	t.Parallel()
	dns, authority := testpeer.NewDNS(t), testpeer.NewAuthority(t)
	home := testpeer.Prosody(t, testpeer.XMPPOptions{Domain: "home.example", Authority: authority, DNS: dns})
	away := testpeer.Prosody(t, testpeer.XMPPOptions{Domain: "montague.example", Authority: authority, DNS: dns})
	for _, name := range []string{"c2s and go-xmpp", "go-xmpp and c2s"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.newBox(boxConfig{server: home, link: cells[name].device, noLAN: true, more: "[pairing]\nallow = [\"*@montague.example\"]\n"})
			romeo := w.newOwner("romeo").account(away, cells[name].owner)
			r := romeo.pairs(b.start(), b.jid)
			romeo.calls(b.jid)
			b.kill()
			b.start().online()
			romeo.calls(b.jid)
			t.Logf("pairing over two servers took %v", r.took)
		})
		t.Run(name+", not allowed", func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			b := w.newBox(boxConfig{server: home, link: cells[name].device, noLAN: true})
			tybalt := w.newOwner("tybalt").account(away, cells[name].owner)
			pin := b.start().online().pin()
			tybalt.pair(b.jid, pin).want(5, "does not answer")
			b.showed(tybalt.jid + " tried to pair, but may not.")
			b.local("owners").want(0)
		})
	}
}
