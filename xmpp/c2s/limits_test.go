package c2s_test

import (
	"context"
	"strings"
	"sync"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
)

// Debian's stock configurations let a client send 10 kB/s (Prosody) or 3 kB/s (ejabberd). A burst of four times
// 8 kB arrives whole and in order, and a ping behind it is answered in the supervisor's time.
func TestStockLimits(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, testpeer.XMPPOptions{StockLimits: true})
			sender := serve(t, account(t, s, "alice"))
			receiver := xmpp.NewSession(dial(t, account(t, s, "bob")), nil)
			arrived := make(chan int, 4)
			receiver.HandleMessage("urn:test", "data", func(_ context.Context, r *xmpp.Request) { arrived <- len(r.Payload[0].Text()) })
			var serving sync.WaitGroup
			serving.Go(func() { _ = receiver.Serve(context.Background()) })
			defer func() { _ = receiver.Close(); serving.Wait() }()

			data := xmpp.NewText("urn:test", "data", strings.Repeat("x", 8000))
			for range 4 {
				st := &xmpp.Stanza{Kind: xmpp.Message, To: receiver.LocalAddr(), Payload: []*xmpp.Element{data}}
				if err := sender.Send(t.Context(), st); err != nil {
					t.Fatal(err)
				}
			}
			ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
			defer cancel()
			if err := sender.Ping(ctx, sender.LocalAddr().Domain()); err != nil {
				t.Error(err)
			}
			for range 4 {
				select {
				case n := <-arrived:
					if n != 8000 {
						t.Errorf("%d bytes", n)
					}
				case <-time.After(30 * time.Second):
					t.Fatal("it did not arrive")
				}
			}
		})
	}
}
