package ibb

import (
	"context"
	"errors"
	"net"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	romeoJID  = "romeo@montague.lit/orchard"
	julietJID = "juliet@capulet.lit/balcony"
)

var (
	romeo  = jid.MustParse(romeoJID)
	juliet = jid.MustParse(julietJID)
)

// side is one entity with a manager.
type side struct {
	link *xmpp.Session
	m    *Manager
}

func join(t *testing.T, link xmpp.Link, cfg Config) *side {
	t.Helper()
	s := &side{link: xmpp.NewSession(link, nil)}
	s.link.HandlePing()
	s.m = NewManager(s.link, cfg)
	t.Cleanup(s.m.Close) // after the link's end, which cleans up first
	linktest.Serve(t, s.link)
	return s
}

// openBetween opens a byte stream from a to b.
func openBetween(t *testing.T, a, b *side, blockSize int) (ca, cb *Conn) {
	t.Helper()
	p, err := b.m.Expect(a.link.LocalAddr(), "s", blockSize)
	if err != nil {
		t.Fatal(err)
	}
	ca, err = a.m.Open(t.Context(), b.link.LocalAddr(), "s", blockSize)
	if err != nil {
		t.Fatal(err)
	}
	cb, err = p.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return ca, cb
}

// pair returns the two ends of a byte stream over a router.
func pair(t *testing.T, cfg Config) (*Conn, *Conn) {
	t.Helper()
	r := linktest.NewRouter()
	return openBetween(t, join(t, r.Connect(romeoJID), cfg), join(t, r.Connect(julietJID), cfg), DefaultBlockSize)
}

// raw is an entity that writes its own XML.
type raw struct{ *xmpp.Session }

func joinRaw(t *testing.T, link xmpp.Link, handle map[string]xmpp.Handler) *raw {
	t.Helper()
	p := &raw{xmpp.NewSession(link, nil)}
	for name, h := range handle {
		p.HandleIQ(xmpp.Set, NS, name, h)
	}
	linktest.Serve(t, p.Session)
	return p
}

func reply(_ context.Context, r *xmpp.Request) { r.Reply() }

// ask returns the condition with which juliet answers, or "".
func (p *raw) ask(t *testing.T, el *xmpp.Element) string {
	t.Helper()
	return p.askOf(t, juliet, el)
}

func (p *raw) askOf(t *testing.T, to jid.JID, el *xmpp.Element) string {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	_, err := p.Request(ctx, xmpp.Set, to, el)
	var xe *xmpp.Error
	switch {
	case err == nil:
		return ""
	case errors.As(err, &xe):
		return xe.Condition
	}
	t.Fatal(err)
	return ""
}

func isTimeout(err error) bool {
	var ne net.Error
	return errors.As(err, &ne) && ne.Timeout()
}
