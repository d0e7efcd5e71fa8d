package owner

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"
)

// Resources that are silent, as those of a device whose power went a moment ago, hold nobody up, be there three of them.
func TestSilentResources(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithCancel(t.Context())
		silent := func(ctx context.Context, full jid.JID) bool {
			if full.Resourcepart() == "device" {
				return true
			}
			select {
			case <-time.After(findTimeout / 2):
			case <-ctx.Done():
			}
			return false
		}
		q := &inquiry{is: silent, asked: make(map[string]bool), found: make(chan jid.JID, 1), turns: make(chan struct{}, maxAsked)}
		start := time.Now()
		for _, resource := range []string{"old", "older", "oldest", "old", "device"} {
			q.of(ctx, jid.MustParse("box@home.test/"+resource))
		}
		if full := <-q.found; full.Resourcepart() != "device" || time.Since(start) > 0 || len(q.asked) != 4 {
			t.Errorf("found %v after %v, asked %d", full, time.Since(start), len(q.asked))
		}
		cancel()
		q.asking.Wait()
	})
}
