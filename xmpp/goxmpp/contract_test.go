package goxmpp

import (
	"context"
	"net"
	"sync"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// caps is what this kind of link cannot do, which the suite asserts.
var caps = linktest.Caps{Server: true, NoMessageID: true, NoPresencePayload: true, OneCondition: true}

// Against a server that routes between its clients, and whose end and disappearance are ours to choose.
func TestContract(t *testing.T) {
	t.Parallel()
	linktest.Run(t, func(t *testing.T) linktest.Ends {
		s := newServer(t, &server{})
		a, peerA := connect(t, s, s.config("romeo"))
		b, peerB := connect(t, s, s.config("juliet"))
		var routing sync.WaitGroup
		routing.Go(func() { route(peerA, peerB) })
		routing.Go(func() { route(peerB, peerA) })
		t.Cleanup(func() {
			_, _ = peerA.raw.Close(), peerB.raw.Close()
			routing.Wait()
		})
		return linktest.Ends{A: a, B: b,
			End: func() { peerA.send("</stream:stream>") },
			Cut: func() { _ = peerA.raw.Close() },
		}
	}, caps)
}

// route passes on what one client sends to the other, as from it.
func route(from, to *client) {
	for {
		el, err := from.dec.Next()
		if err != nil {
			_ = from.conn.Close() // answers the end of the stream, if it is one
			return
		}
		if _, err := to.conn.Write([]byte(el.With("from", from.jid).String())); err != nil {
			return
		}
	}
}

func TestContractOnRealServers(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, testpeer.XMPPOptions) *testpeer.XMPPServer{
		"Prosody": testpeer.Prosody, "Ejabberd": testpeer.Ejabberd,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, testpeer.XMPPOptions{})
			romeo, juliet := newAccount(t, s, "romeo"), newAccount(t, s, "juliet")
			ends := caps
			ends.NoEnd = true
			linktest.Run(t, func(t *testing.T) linktest.Ends {
				var line net.Conn
				cfg := romeo
				cfg.Dialer = dialerFunc(func(ctx context.Context, network, addr string) (conn net.Conn, err error) {
					line, err = (&net.Dialer{}).DialContext(ctx, network, addr)
					return line, err
				})
				a := quiet(t, cfg)
				return linktest.Ends{A: a, B: quiet(t, juliet), Cut: func() { _ = line.Close() }}
			}, ends)
		})
	}
}

// What real servers say to the ways in and to what goes wrong there.
func TestRealServers(t *testing.T) {
	t.Parallel()
	for name, start := range map[string]func(testing.TB, testpeer.XMPPOptions) *testpeer.XMPPServer{
		"Prosody": testpeer.Prosody, "Ejabberd": testpeer.Ejabberd,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, testpeer.XMPPOptions{})
			cfg := newAccount(t, s, "romeo")
			for mode, addr := range map[string]string{"StartTLS": s.Addr, "DirectTLS": s.DirectAddr} {
				t.Run(mode, func(t *testing.T) { // found out by itself
					cfg := cfg
					cfg.Server = addr
					loggedIn(t, cfg)
				})
			}
			t.Run("WrongPassword", func(t *testing.T) { wrongPassword(t, cfg) })
			t.Run("UnknownRoots", func(t *testing.T) { unknownRoots(t, cfg) })
			t.Run("TwoAtOnce", func(t *testing.T) { twoAtOnce(t, cfg) })
			t.Run("ServerStops", func(t *testing.T) { serverStops(t, cfg, s) })
		})
	}
}

// newAccount makes an account at s.
func newAccount(t *testing.T, s *testpeer.XMPPServer, user string) Config {
	t.Helper()
	address, secret := s.Account(t, user)
	return Config{JID: jid.MustParse(address), Password: password(secret), Server: s.DirectAddr, Mode: DirectTLS, Roots: s.Roots}
}

// quiet logs in and waits until the server has said all that it says to a new client.
func quiet(t *testing.T, cfg Config) *Link {
	t.Helper()
	l, err := Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	ping := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Get, ID: "quiet", Payload: []*xmpp.Element{xmpp.NewElement(xmpp.NSPing, "ping")}}
	if err := l.WriteStanza(ping); err != nil {
		t.Fatal(err)
	}
	for mustRead(t, l).ID != "quiet" {
	}
	return l
}
