package c2s_test

import (
	"context"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/linktest"
)

// Two servers, each with its own domain, carry requests and answers between their accounts.
func TestFederation(t *testing.T) {
	t.Parallel()
	dns, authority := testpeer.NewDNS(t), testpeer.NewAuthority(t)
	options := func(domain string) testpeer.XMPPOptions {
		return testpeer.XMPPOptions{Domain: domain, DNS: dns, Authority: authority}
	}
	here, there := testpeer.Prosody(t, options("here.example")), testpeer.Prosody(t, options("there.example"))
	alice, bob := serve(t, account(t, here, "alice")), serve(t, account(t, there, "bob"))
	for _, way := range [][2]*xmpp.Session{{alice, bob}, {bob, alice}} {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Second)
		defer cancel()
		// Not Ping, for which an error is a sign of life too.
		answer, err := way[0].Request(ctx, xmpp.Get, way[1].LocalAddr(), xmpp.NewElement(xmpp.NSPing, "ping"))
		if err != nil || !answer.From.Equal(way[1].LocalAddr()) {
			t.Errorf("%v to %v: %v", way[0].LocalAddr(), way[1].LocalAddr(), err)
		}
	}
}

// serve keeps a session that answers pings until the test ends.
func serve(t *testing.T, cfg c2s.Config) *xmpp.Session {
	t.Helper()
	s := xmpp.NewSession(dial(t, cfg), nil)
	s.HandlePing()
	return linktest.Serve(t, s)
}
