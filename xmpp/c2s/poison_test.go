package c2s_test

import (
	"context"
	"sync"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// A stranger's message that is deeper than we take does not end the stream: real servers would deliver it again at the next login, and it
// would end that too.
func TestPoison(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, testpeer.XMPPOptions{})
			stranger, cfg := dial(t, account(t, s, "bob")), account(t, s, "alice")
			online, ended, arrived := make(chan bool, 100), make(chan error, 100), make(chan bool, 100)
			supervisor := c2s.Supervisor{
				Dial: func(ctx context.Context) (xmpp.Link, error) { return c2s.Dial(ctx, cfg) },
				Mount: func(s *xmpp.Session) {
					s.HandleMessage("urn:test", "x", func(context.Context, *xmpp.Request) { arrived <- true })
				},
				Online: func(ctx context.Context, s *xmpp.Session) error {
					err := s.Send(ctx, &xmpp.Stanza{Kind: xmpp.Presence})
					if err == nil {
						err = s.Ping(ctx, s.LocalAddr().Domain()) // the server has seen it
					}
					online <- err == nil
					return nil
				},
				Report: func(st c2s.State) {
					if st.Phase == c2s.Waiting {
						ended <- st.Err
					}
				},
			}
			ctx, stop := context.WithCancel(context.Background())
			var running sync.WaitGroup
			running.Go(func() { _ = supervisor.Run(ctx) })
			defer running.Wait()
			defer stop()
			<-online
			deep := xmpp.NewText("urn:test", "x", "x")
			for range 40 {
				deep = xmpp.NewElement("urn:test", "x", deep)
			}
			body := xmpp.NewText(xmpp.NSClient, "body", "x")
			poison := &xmpp.Stanza{Kind: xmpp.Message, Type: "chat", To: cfg.JID, Payload: []*xmpp.Element{deep, body}}
			good := &xmpp.Stanza{Kind: xmpp.Message, Type: "chat", To: cfg.JID, Payload: []*xmpp.Element{xmpp.NewText("urn:test", "x", "x"), body}}
			if err := stranger.WriteStanzas([]*xmpp.Stanza{poison, good}); err != nil {
				t.Fatal(err)
			}
			select {
			case err := <-ended:
				t.Errorf("it ended the stream: %v", err)
			case <-arrived: // what the stranger said after it
			case <-time.After(20 * time.Second):
				t.Error("nothing comes any more")
			}
		})
	}
}
