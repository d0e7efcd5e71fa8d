package evil

import (
	"context"
	"testing"
	"time"
)

// The relay, untouched, pairs, and carries a later session: what every attack below is measured against.
func TestUntouchedServerPairs(t *testing.T) {
	t.Parallel()
	s := newServer()
	d, p := startDevice(t, s, boxJID), startPhone(t, s, romeoJID)
	start := time.Now()
	p.mustPair(d)
	t.Logf("paired in %v with %d stanzas", time.Since(start), len(s.sent()))
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := p.open(ctx, boxJID); err != nil {
		t.Fatal(err)
	}
	check(t, model{p: {d}}, []*device{d}, []*phone{p})
	if n := p.asked.Load(); n != 1 {
		t.Errorf("the person was asked for a PIN %d times", n)
	}
}
