package adhoc_test

import (
	"context"
	"errors"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
)

// A request that left and has no answer may have done its work: that is said, and not that it failed.
func TestUnknownOutcome(t *testing.T) {
	s := connect(t, func(b *xmpp.Session) {
		b.HandleIQ(xmpp.Set, adhoc.NS, "command", func(context.Context, *xmpp.Request) {})
	})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := adhoc.Execute(ctx, s, box, "lamp", nil); !errors.Is(err, adhoc.ErrOutcomeUnknown) {
		t.Errorf("%v", err)
	}
}
