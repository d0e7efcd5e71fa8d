package jingle

import (
	"context"
	"errors"
	"testing"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// XEP-0166 §7.2.16: of two offers for one application at the same time the lower sid overrules.
func TestTieBreak(t *testing.T) {
	start := func(t *testing.T) (*side, *raw, *Session, *Jingle) {
		r := linktest.NewRouter()
		b, p := join(t, r, julietJID, nil), joinRaw(t, r, romeoJID)
		s, err := b.m.Initiate(t.Context(), romeo, content())
		if err != nil {
			t.Fatal(err)
		}
		return b, p, s, p.next(t, SessionInitiate)
	}
	t.Run("ours is lower", func(t *testing.T) {
		b, p, s, ours := start(t)
		if e := p.ask(t, juliet, offerOf(ours.SID+"x")); !is(e, xmpp.Conflict, "tie-break") {
			t.Errorf("answer: %v", e)
		}
		if s.Err() != nil || len(b.incoming) > 0 {
			t.Errorf("our session: %v", s.Err())
		}
	})
	t.Run("the peer's is lower", func(t *testing.T) {
		b, p, _, ours := start(t)
		if e := p.ask(t, juliet, offerOf(ours.SID[:3])); e != nil {
			t.Errorf("answer: %v", e)
		}
		within(t, b.incoming)
	})
	t.Run("another application", func(t *testing.T) {
		b, p, _, ours := start(t)
		j := offerOf(ours.SID + "x")
		j.Contents[0].Description = xmpp.NewElement("urn:test:other", "description")
		if e := p.ask(t, juliet, j); e != nil {
			t.Errorf("answer: %v", e)
		}
		within(t, b.incoming)
	})
	t.Run("same sid, our JID is lower", func(t *testing.T) {
		b, p, s, ours := start(t)
		if e := p.ask(t, juliet, offerOf(ours.SID)); !is(e, xmpp.Conflict, "tie-break") {
			t.Errorf("answer: %v", e)
		}
		if s.Err() != nil || len(b.incoming) > 0 {
			t.Errorf("our session: %v", s.Err())
		}
	})
	t.Run("same sid, the peer's JID is lower", func(t *testing.T) {
		r := linktest.NewRouter()
		a, p := join(t, r, romeoJID, nil), joinRaw(t, r, julietJID)
		s, err := a.m.Initiate(t.Context(), juliet, content())
		if err != nil {
			t.Fatal(err)
		}
		j := p.next(t, SessionInitiate)
		j.Initiator = juliet
		if e := p.ask(t, romeo, j); e != nil {
			t.Errorf("answer: %v", e)
		}
		if e := ended(t, s); !errors.Is(e, ErrTieBreak) {
			t.Errorf("our session: %v", e)
		}
		within(t, a.incoming)
	})
	t.Run("the peer refuses ours", func(t *testing.T) {
		r := linktest.NewRouter()
		a := join(t, r, romeoJID, nil)
		b := xmpp.NewSession(r.Connect(julietJID), nil)
		b.HandleIQ(xmpp.Set, NS, "jingle", func(_ context.Context, r *xmpp.Request) { r.Fail(errTieBreak(NS)) })
		linktest.Serve(t, b)
		if _, err := a.m.Initiate(t.Context(), juliet, content()); !errors.Is(err, ErrTieBreak) {
			t.Errorf("Initiate: %v", err)
		}
	})
}
