package c2s_test

import (
	"errors"
	"io"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// A server that has kept the stream for as long as it does says how much of it it has handled, and binds a new one at once.
func TestStreamExpires(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			streamExpires(t, start(t, testpeer.XMPPOptions{Hibernation: time.Second}))
		})
	}
}

func streamExpires(t *testing.T, s *testpeer.XMPPServer) {
	cfg := account(t, s, "alice")
	relay := testpeer.NewRelay(t, s.DirectAddr)
	cfg.Server, cfg.Mode, cfg.StepTimeout = relay.Addr, c2s.DirectTLS, 4*time.Second
	l := dial(t, cfg)
	next := successor(l)
	ask := func(id string) {
		t.Helper()
		ping := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Get, ID: id, To: jid.MustParse(s.Domain), Payload: []*xmpp.Element{xmpp.NewElement(xmpp.NSPing, "ping")}}
		if err := l.WriteStanza(ping); err != nil {
			t.Fatal(err)
		}
	}
	ask("heard")
	if st, err := l.ReadStanza(); err != nil || st.ID != "heard" {
		t.Fatalf("%v, %v", st, err)
	}
	relay.Freeze()
	ask("lost")
	relay.Cut()
	time.Sleep(3 * time.Second) // servers look once a second
	relay.Thaw()
	_, err := l.ReadStanza()
	wantIs(t, err, io.ErrUnexpectedEOF)
	if ids, unhandled := lostIDs(err); ids != "lost" || !unhandled {
		t.Errorf("lost %q, unhandled %v: %v", ids, unhandled, err)
	}
	n := <-next
	defer n.Close()
	if n.LocalAddr().Equal(l.LocalAddr()) || !n.Managed() {
		t.Errorf("bound %v after %v", n.LocalAddr(), l.LocalAddr())
	}
}

// The password was changed while the connection was lost: Prosody takes the token no more, nor the old password. The link ends
// and says so, which a supervisor retries slowly.
func TestPasswordChanges(t *testing.T) {
	t.Parallel()
	s := testpeer.Prosody(t, testpeer.XMPPOptions{})
	cfg := account(t, s, "alice")
	relay := testpeer.NewRelay(t, s.DirectAddr)
	cfg.Server, cfg.Mode = relay.Addr, c2s.DirectTLS
	l := dial(t, cfg)
	time.Sleep(1100 * time.Millisecond) // Prosody counts when a token was given in seconds
	s.Register(t, "alice", "another password")
	relay.Cut()
	_, err := l.ReadStanza()
	wantIs(t, err, xmpp.ErrNotAuthorized)
	var refused *c2s.AuthError
	if !errors.As(err, &refused) {
		t.Errorf("%v", err)
	}
}
