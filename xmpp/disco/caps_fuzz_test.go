package disco

import (
	"testing"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/xmpp"
)

// FuzzCaps: capabilities that are read are written as the same, and no other info than the announced one verifies.
func FuzzCaps(f *testing.F) {
	f.Add("http://code.example", "QgayPKawpkPSDYmwT/WM94uAlu0=", "sha-1", "http://jabber.org/protocol/muc")
	f.Add("", "x", "md5", "")
	f.Add("n", "v", "sha-1", "a<b")
	f.Fuzz(func(t *testing.T, node, ver, hash, feature string) {
		el := xmpp.NewElement(NSCaps, "c").With("hash", hash).With("node", node).With("ver", ver)
		st := &xmpp.Stanza{Kind: xmpp.Presence, Payload: []*xmpp.Element{el}}
		c, ok := ParseCaps(st)
		if ok != (node != "" && ver != "" && hash == "sha-1") {
			t.Fatalf("%v of %s", ok, el)
		}
		if ok {
			if again, ok := ParseCaps(&xmpp.Stanza{Payload: []*xmpp.Element{c.Element()}}); !ok || again != c {
				t.Fatalf("%+v became %+v", c, again)
			}
		}
		info := Info{Identities: []Identity{{Category: "client", Type: "pc", Name: node}}, Features: []string{feature}}
		own, err := info.Ver()
		if fuzztest.Line(t, err) {
			return
		}
		other := Info{Identities: info.Identities, Features: []string{feature, "urn:one:more"}}
		if !(Caps{node, own}).Verify(info) || (Caps{node, own}).Verify(other) || own != ver && c.Verify(info) {
			t.Fatalf("verifying %q", own)
		}
	})
}
