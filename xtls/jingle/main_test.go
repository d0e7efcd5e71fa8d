package jingle

import (
	"context"
	"errors"
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

// content is what the tests offer.
func content() Content {
	return Content{
		Creator: "initiator", Name: "xmlstream",
		Description: xmpp.NewElement(NSStream, "description"),
		Transport:   xmpp.NewElement("urn:test:transport", "transport").With("sid", "t1"),
		Security:    (&Security{Methods: []string{MethodX509}}).Element(),
	}
}

// side is one entity with a manager.
type side struct {
	link     *xmpp.Session
	m        *Manager
	incoming chan *Session
}

// join connects an entity that takes sessions; change may alter its configuration.
func join(t *testing.T, r *linktest.Router, address string, change func(*Config)) *side {
	t.Helper()
	s := &side{link: xmpp.NewSession(r.Connect(address), nil), incoming: make(chan *Session, 100)}
	cfg := Config{Incoming: func(js *Session) { s.incoming <- js }}
	if change != nil {
		change(&cfg)
	}
	s.m = NewManager(s.link, cfg)
	t.Cleanup(s.m.Close) // after the link's end, which cleans up first
	linktest.Serve(t, s.link)
	return s
}

// raw is an entity that writes its own XML and keeps what it gets, acknowledged.
type raw struct {
	*xmpp.Session
	got chan *Jingle
}

func joinRaw(t *testing.T, r *linktest.Router, address string) *raw {
	t.Helper()
	p := &raw{xmpp.NewSession(r.Connect(address), nil), make(chan *Jingle, 100)}
	take := func(_ context.Context, r *xmpp.Request) {
		j, err := Parse(r.Payload[0])
		if err != nil {
			t.Errorf("was sent %s: %v", r.Payload[0], err)
			return
		}
		r.Reply()
		p.got <- j
	}
	p.HandleIQ(xmpp.Set, NS, "jingle", take)
	p.HandleIQ(xmpp.Set, NS0, "jingle", take)
	linktest.Serve(t, p.Session)
	return p
}

// ask sends a <jingle/> and returns the error that answers it, or nil.
func (p *raw) ask(t *testing.T, to jid.JID, j *Jingle) *xmpp.Error {
	t.Helper()
	return p.askXML(t, to, j.Element())
}

func (p *raw) askXML(t *testing.T, to jid.JID, el *xmpp.Element) *xmpp.Error {
	t.Helper()
	_, err := p.Request(t.Context(), xmpp.Set, to, el)
	var xe *xmpp.Error
	if err != nil && !errors.As(err, &xe) {
		t.Fatal(err)
	}
	return xe
}

func (p *raw) next(t *testing.T, want Action) *Jingle {
	t.Helper()
	j := within(t, p.got)
	if j.Action != want {
		t.Fatalf("got %s, want %s", j.Action, want)
	}
	return j
}

func within[T any](t *testing.T, c <-chan T) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(10 * time.Second):
		t.Fatal("nothing came within 10 s")
		panic("unreachable")
	}
}

func ended(t *testing.T, s *Session) *EndedError {
	t.Helper()
	within(t, s.Done())
	var e *EndedError
	if !errors.As(s.Err(), &e) {
		t.Fatalf("ended with %v", s.Err())
	}
	return e
}

func is(e *xmpp.Error, condition, app string) bool {
	if e == nil || e.Condition != condition {
		return false
	}
	return app == "" && e.App == nil || e.App.Is(NSErrors, app)
}

// between returns a session in the active state, seen from both sides.
func between(t *testing.T, a, b *side) (initiator, responder *Session) {
	t.Helper()
	initiator, err := a.m.Initiate(t.Context(), b.link.LocalAddr(), content())
	if err != nil {
		t.Fatal(err)
	}
	responder = within(t, b.incoming)
	if err := responder.Accept(t.Context(), responder.Offer()[0]); err != nil {
		t.Fatal(err)
	}
	if _, err := initiator.Accepted(t.Context()); err != nil {
		t.Fatal(err)
	}
	return initiator, responder
}

func offerOf(sid string) *Jingle {
	return &Jingle{NS: NS, Action: SessionInitiate, SID: sid, Initiator: romeo, Contents: []Content{content()}}
}

func of(sid string, a Action) *Jingle { return &Jingle{NS: NS, Action: a, SID: sid} }

// offeredTo has p offer a session to b and returns b's side of it.
func offeredTo(t *testing.T, p *raw, b *side, sid string) *Session {
	t.Helper()
	if e := p.ask(t, juliet, offerOf(sid)); e != nil {
		t.Fatal(e)
	}
	return within(t, b.incoming)
}

// tell sends a security-info with methods, and waits for its acknowledgement.
func tell(t testing.TB, s *Session, methods ...string) error {
	t.Helper()
	acknowledged, err := s.SendSecurityInfo(t.Context(), &Security{Methods: methods})
	if err != nil {
		return err
	}
	return acknowledged(t.Context())
}
