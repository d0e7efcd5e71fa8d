package c2s_test

import (
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// Two nodes are one server: what is written at one is read at the other, also after that was killed and is back.
func TestCluster(t *testing.T) {
	t.Parallel()
	cluster := testpeer.EjabberdCluster(t, testpeer.XMPPOptions{})
	nodes := cluster.Nodes
	alice, bob := account(t, nodes[0], "alice"), account(t, nodes[0], "bob")
	a := dial(t, at(nodes[0], alice))
	b := dial(t, at(nodes[1], bob))
	cross(t, a, b, "to the other node")
	cross(t, b, a, "and back")

	cluster.Kill(t, 1)
	b = dial(t, at(nodes[0], bob))
	cross(t, a, b, "on one node")

	nodes[1].Start(t)
	b = dial(t, at(nodes[1], bob))
	cross(t, a, b, "to the node that is back")
	cross(t, b, a, "and from it")
}

// at is an account that logs in at one node.
func at(node *testpeer.XMPPServer, cfg c2s.Config) c2s.Config {
	cfg.Server, cfg.Mode = node.DirectAddr, c2s.DirectTLS
	return cfg
}

// cross sends a message from one link to the other.
func cross(t *testing.T, from, to *c2s.Link, body string) {
	t.Helper()
	text := xmpp.NewText(xmpp.NSClient, "body", body)
	st := &xmpp.Stanza{Kind: xmpp.Message, Type: "normal", To: to.LocalAddr(), Payload: []*xmpp.Element{text}}
	if err := from.WriteStanza(st); err != nil {
		t.Fatal(err)
	}
	arrived := make(chan string, 1)
	go func() {
		for {
			st, err := to.ReadStanza()
			if err != nil {
				return // the test is over
			}
			if st.Kind == xmpp.Message && st.From.Equal(from.LocalAddr()) && len(st.Payload) == 1 {
				arrived <- st.Payload[0].Text()
				return
			}
		}
	}()
	select {
	case got := <-arrived:
		if got != body {
			t.Errorf("%q came for %q", got, body)
		}
	case <-time.After(30 * time.Second):
		t.Fatalf("%q did not arrive", body)
	}
}
