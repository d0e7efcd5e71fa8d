package client

import (
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/bench/client/account"
	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// Each client comes back after a cut, again and again, in the way for which it is here.
func TestComesBack(t *testing.T) {
	server := testpeer.Prosody(t, testpeer.XMPPOptions{})
	peer := answerer(t, server)
	for _, kind := range []Kind{Slixmpp(t), GoXMPP(t)} {
		t.Run(kind.Name, func(t *testing.T) {
			relay := testpeer.NewRelay(t, server.DirectAddr)
			bare, password := server.Account(t, "romeo")
			a := account.Account{JID: bare, Password: password, CA: server.CAFile, To: peer.String()}
			c := kind.Start(t, a, relay.Addr)
			if first := c.Answer(t); kind.CameBack(first) {
				t.Errorf("the first login: %+v", first)
			}
			for range 3 {
				relay.Cut()
				if back := c.Answer(t); !kind.CameBack(back) {
					t.Errorf("after a cut: %+v", back)
				}
			}
		})
	}
}

// answerer is an account that answers pings.
func answerer(t *testing.T, server *testpeer.XMPPServer) jid.JID {
	bare, password := server.Account(t, "juliet")
	link, err := c2s.Dial(t.Context(), c2s.Config{
		JID: jid.MustParse(bare), Password: func() (string, error) { return password, nil },
		Server: server.DirectAddr, Roots: server.Roots, Mode: c2s.DirectTLS,
	})
	if err != nil {
		t.Fatal(err)
	}
	s := xmpp.NewSession(link, nil)
	s.HandlePing()
	done := make(chan error, 1)
	go func() { done <- s.Serve(t.Context()) }()
	t.Cleanup(func() {
		_ = s.Close()
		<-done
	})
	return s.LocalAddr()
}
