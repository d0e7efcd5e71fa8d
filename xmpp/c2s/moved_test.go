package c2s_test

import (
	"crypto/rand"
	"net"
	"strings"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp/c2s"
)

// A server that is found by its name alone goes where the name leads: nothing remembers what the DNS said before.

const (
	movedDomain   = "home.example"
	movedHost     = "xmpp.home.example"
	directService = "_xmpps-client._tcp." + movedDomain
)

// byName lets an account find its server by the test's DNS, both kinds of records.
func byName(cfg c2s.Config, dns *testpeer.DNS) c2s.Config {
	resolver := dns.Resolver()
	cfg.Server, cfg.Resolver, cfg.Dialer = "", resolver, &net.Dialer{Resolver: resolver}
	cfg.Idle, cfg.AckTimeout = 200*time.Millisecond, time.Second
	return cfg
}

// named is the address of a relay by a name.
func named(host string, r *testpeer.Relay) string {
	_, port, _ := net.SplitHostPort(r.Addr)
	return net.JoinHostPort(host, port)
}

// moving lets the name lead to another place than that of the old relay, and returns the relay there.
type moving func(t *testing.T, s *testpeer.XMPPServer, dns *testpeer.DNS, old *testpeer.Relay) *testpeer.Relay

func TestServerMoves(t *testing.T) {
	t.Parallel()
	for kind, start := range servers {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := start(t, testpeer.XMPPOptions{Domain: movedDomain})
			for name, move := range map[string]moving{
				"to another port": toAnotherPort, "to another host": toAnotherHost, "to another address": toAnotherAddress,
			} {
				t.Run(name, func(t *testing.T) {
					t.Parallel()
					serverMoves(t, s, move)
				})
			}
		})
	}
}

// serverMoves takes the place away where the server was: it is silent there from now on, and does not even refuse.
func serverMoves(t *testing.T, s *testpeer.XMPPServer, move moving) {
	dns, old := testpeer.NewDNS(t), testpeer.NewRelay(t, s.DirectAddr)
	dns.SetSRV(directService, named(movedHost, old))
	states := supervise(t, byName(account(t, s, "alice-"+strings.ToLower(rand.Text()[:8])), dns))
	before := waitFor(t, states, c2s.Online)
	old.Freeze()
	to := move(t, s, dns, old)
	waitFor(t, states, c2s.Resuming)
	start := time.Now()
	if after := waitFor(t, states, c2s.Online); !after.Addr.Equal(before.Addr) {
		t.Errorf("was %v, is %v: the stream was not resumed", before.Addr, after.Addr)
	}
	if to.Taken() == 0 {
		t.Error("it came back by another way")
	}
	if d := time.Since(start); d > 20*time.Second {
		t.Errorf("it took %v", d) // as long as the old place is borne with
	}
	t.Logf("at the new place %v after the connection was given up", time.Since(start).Round(100*time.Millisecond))
}

// toAnotherPort is a new SRV record for the same host.
func toAnotherPort(t *testing.T, s *testpeer.XMPPServer, dns *testpeer.DNS, _ *testpeer.Relay) *testpeer.Relay {
	to := testpeer.NewRelay(t, s.DirectAddr)
	dns.SetSRV(directService, named(movedHost, to))
	return to
}

// toAnotherHost is a new SRV record.
func toAnotherHost(t *testing.T, s *testpeer.XMPPServer, dns *testpeer.DNS, old *testpeer.Relay) *testpeer.Relay {
	const host = "new.home.example"
	to := testpeer.NewRelayAt(t, named("127.0.0.2", old), s.DirectAddr)
	dns.SetA(host, "127.0.0.2")
	dns.SetSRV(directService, named(host, to))
	return to
}

// toAnotherAddress is a new address of the host.
func toAnotherAddress(t *testing.T, s *testpeer.XMPPServer, dns *testpeer.DNS, old *testpeer.Relay) *testpeer.Relay {
	to := testpeer.NewRelayAt(t, named("127.0.0.2", old), s.DirectAddr)
	dns.SetA(movedHost, "127.0.0.2")
	return to
}

// The node that has the stream is killed, and the SRV records name both: the link goes to the other at once, whichever comes first, and
// stays there when the first is back.
func TestNodeIsKilled(t *testing.T) {
	t.Parallel()
	cluster, dns := testpeer.EjabberdCluster(t, testpeer.XMPPOptions{Domain: movedDomain}), testpeer.NewDNS(t)
	dns.SetSRV(directService, cluster.Nodes[0].DirectAddr, cluster.Nodes[1].DirectAddr)
	states := supervise(t, byName(account(t, cluster.Nodes[0], "alice"), dns))
	before := waitFor(t, states, c2s.Online)
	for i, back := range []bool{true, false} { // first the one that is preferred
		cluster.Kill(t, i)
		start := time.Now()
		after := waitFor(t, states, c2s.Online)
		t.Logf("at the other node after %v, as %v (was %v)", time.Since(start).Round(100*time.Millisecond), after.Addr, before.Addr)
		if before = after; back {
			cluster.Nodes[i].Start(t)
		}
	}
}
