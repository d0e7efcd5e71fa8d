package jingle

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
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

// serve runs s until the test ends.
func serve(t *testing.T, s *xmpp.Session) *xmpp.Session {
	t.Helper()
	var wg sync.WaitGroup
	wg.Go(func() { _ = s.Serve(context.Background()) })
	t.Cleanup(func() { _ = s.Close(); wg.Wait() })
	return s
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
	serve(t, s.link)
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
	serve(t, p.Session)
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

func TestSessionFromOfferToEnd(t *testing.T) {
	r := linktest.NewRouter()
	a, b := join(t, r, romeoJID, nil), join(t, r, julietJID, nil)
	mine, err := a.m.Initiate(t.Context(), juliet, content())
	if err != nil {
		t.Fatal(err)
	}
	theirs := within(t, b.incoming)
	if !theirs.Peer().Equal(romeo) || theirs.SID() != mine.SID() || theirs.Namespace() != NS || theirs.Initiator() {
		t.Errorf("peer %s, sid %s, namespace %s", theirs.Peer(), theirs.SID(), theirs.Namespace())
	}
	answer := theirs.Offer()[0]
	answer.Security = (&Security{&Announced{SHA256, hex32}, []string{MethodX509}}).Element()
	if err := theirs.Accept(t.Context(), answer); err != nil {
		t.Fatal(err)
	}
	got, err := mine.Accepted(t.Context())
	if err != nil || got.Security.String() != answer.Security.String() {
		t.Fatalf("accepted with %+v, %v", got, err)
	}
	// One security-info before anybody asks, one after: each arrives once, in order.
	if err := mine.SendSecurityInfo(t.Context(), &Security{Methods: []string{MethodX509}}); err != nil {
		t.Fatal(err)
	}
	infos := make(chan Content, 10)
	theirs.OnSecurityInfo(func(c Content) { infos <- c })
	if err := mine.SendSecurityInfo(t.Context(), &Security{Methods: []string{MethodSRP}}); err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{MethodX509, MethodSRP} {
		if s, err := ParseSecurity(within(t, infos).Security); err != nil || !s.Has(want) {
			t.Errorf("security-info %+v, %v; want %s", s, err, want)
		}
	}
	app := xmpp.NewElement("urn:test", "detail")
	theirs.Terminate(Reason{Condition: Decline, App: app})
	theirs.Terminate(Reason{Condition: Success}) // the first reason stays
	if e := ended(t, mine); !e.ByPeer || e.Reason.Condition != Decline || !e.Reason.App.Is("urn:test", "detail") {
		t.Errorf("initiator: %+v", e)
	}
	if e := ended(t, theirs); e.ByPeer || theirs.Reason().Condition != Decline {
		t.Errorf("responder: %+v", e)
	}
}

func TestWhatIsNotPossibleInAState(t *testing.T) {
	r := linktest.NewRouter()
	a, b := join(t, r, romeoJID, nil), join(t, r, julietJID, nil)
	mine, err := a.m.Initiate(t.Context(), juliet, content())
	if err != nil {
		t.Fatal(err)
	}
	theirs := within(t, b.incoming)
	if err := mine.Accept(t.Context(), content()); !errors.Is(err, ErrState) {
		t.Errorf("accepting one's own offer: %v", err)
	}
	if err := mine.SendSecurityInfo(t.Context(), &Security{}); !errors.Is(err, ErrState) {
		t.Errorf("security-info before the answer: %v", err)
	}
	other := content()
	other.Name = "other"
	if err := theirs.Accept(t.Context(), other); !errors.Is(err, ErrState) {
		t.Errorf("accepting what was not offered: %v", err)
	}
	theirs.Terminate(Reason{Condition: Decline})
	var e *EndedError
	if _, err := mine.Accepted(t.Context()); !errors.As(err, &e) || e.Reason.Condition != Decline {
		t.Errorf("Accepted after a decline: %v", err)
	}
	if err := theirs.Accept(t.Context(), content()); !errors.As(err, &e) {
		t.Errorf("accepting an ended session: %v", err)
	}
}

func TestAcceptedGivesUpWithItsContext(t *testing.T) {
	r := linktest.NewRouter()
	a := join(t, r, romeoJID, nil)
	join(t, r, julietJID, nil)
	s, err := a.m.Initiate(t.Context(), juliet, content())
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := s.Accepted(ctx); !errors.Is(err, context.Canceled) || s.Err() != nil {
		t.Errorf("%v; session %v", err, s.Err())
	}
}

func TestTimeouts(t *testing.T) {
	for name, tt := range map[string]struct {
		deaf bool // the responder does not even acknowledge
		want time.Duration
	}{
		"nobody decides": {false, 60 * time.Second},
		"no answer":      {true, 30 * time.Second},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r := linktest.NewRouter()
				a := join(t, r, romeoJID, nil)
				b := xmpp.NewSession(r.Connect(julietJID), nil)
				offered := make(chan *Session, 1)
				if tt.deaf {
					b.HandleIQ(xmpp.Set, NS, "jingle", func(context.Context, *xmpp.Request) {})
				} else {
					m := NewManager(b, Config{Incoming: func(s *Session) { offered <- s }, DecideTimeout: time.Hour})
					t.Cleanup(m.Close)
				}
				serve(t, b)
				start := time.Now()
				s, err := a.m.Initiate(t.Context(), juliet, content())
				if err == nil {
					_, err = s.Accepted(t.Context())
				}
				if took := time.Since(start); !errors.Is(err, ErrTimeout) || took != tt.want {
					t.Errorf("%v after %v", err, took)
				}
				if !tt.deaf {
					if e := ended(t, <-offered); e.Reason.Condition != Timeout {
						t.Errorf("the peer heard %+v", e)
					}
				}
			})
		})
	}
}

func TestOwnerThatDoesNotDecide(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		r := linktest.NewRouter()
		a := join(t, r, romeoJID, func(c *Config) { c.AcceptTimeout = time.Hour })
		b := join(t, r, julietJID, nil)
		start := time.Now()
		s, err := a.m.Initiate(t.Context(), juliet, content())
		if err != nil {
			t.Fatal(err)
		}
		_, err = s.Accepted(t.Context())
		if took := time.Since(start); err == nil || took != time.Minute || s.Reason().Condition != Timeout {
			t.Errorf("%v after %v", err, took)
		}
		if e := ended(t, <-b.incoming); !errors.Is(e, ErrTimeout) {
			t.Errorf("the owner heard %v", e)
		}
	})
}

// A peer that is not there, or that went, ends the session; the owner learns why.
func TestPeerGone(t *testing.T) {
	r := linktest.NewRouter()
	a, b := join(t, r, romeoJID, nil), join(t, r, julietJID, nil)
	var xe *xmpp.Error
	if _, err := a.m.Initiate(t.Context(), jid.MustParse("nobody@x/y"), content()); !errors.As(err, &xe) || xe.Condition != xmpp.ServiceUnavailable {
		t.Errorf("offering to nobody: %v", err)
	}

	mine, theirs := between(t, a, b)
	if err := b.link.Send(t.Context(), &xmpp.Stanza{Kind: xmpp.Presence, Type: "unavailable", To: romeo}); err != nil {
		t.Fatal(err)
	}
	if e := ended(t, mine); !errors.Is(e, errPeerLeft) || e.Reason != nil {
		t.Errorf("after unavailable presence: %v", e)
	}
	theirs.Terminate(Reason{Condition: Success})

	mine, theirs = between(t, a, b)
	_ = b.link.Close()
	if e := ended(t, theirs); !errors.Is(e, xmpp.ErrClosed) {
		t.Errorf("after the end of the link: %v", e)
	}
	within(t, b.link.Done())
	if err := mine.SendSecurityInfo(t.Context(), &Security{}); !errors.As(err, &xe) {
		t.Errorf("security-info to nobody: %v", err)
	}
	if e := ended(t, mine); !errors.As(e, &xe) || !e.ByPeer {
		t.Errorf("after a bounce: %v", e)
	}
}

func TestManagerCloseTellsThePeers(t *testing.T) {
	r := linktest.NewRouter()
	a, b := join(t, r, romeoJID, nil), join(t, r, julietJID, nil)
	mine, theirs := between(t, a, b)
	b.m.Close()
	if e := ended(t, mine); e.Reason == nil || e.Reason.Condition != Gone {
		t.Errorf("initiator: %v", e)
	}
	ended(t, theirs)
	if _, err := b.m.Initiate(t.Context(), romeo, content()); !errors.Is(err, xmpp.ErrClosed) {
		t.Errorf("Initiate after Close: %v", err)
	}
}

// What Terminate sends leaves before the end of the link, if that is closed right after it.
func TestTerminateThenCloseOfTheLink(t *testing.T) {
	for range 50 {
		r := linktest.NewRouter()
		a, b := join(t, r, romeoJID, nil), join(t, r, julietJID, nil)
		mine, theirs := between(t, a, b)
		theirs.Terminate(Reason{Condition: SecurityError})
		_ = b.link.Close()
		if e := ended(t, mine); e.Reason == nil || e.Reason.Condition != SecurityError {
			t.Fatalf("the peer heard %v", e)
		}
		_ = a.link.Close()
	}
}

// A peer that has not answered a request may have got it: it is told when this side gives up.
func TestGivingUpIsTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for name, try := range map[string]func(context.Context, *side, *Session) error{
			"offer": func(ctx context.Context, b *side, _ *Session) error {
				_, err := b.m.Initiate(ctx, romeo, content())
				return err
			},
			"accept": func(ctx context.Context, _ *side, s *Session) error { return s.Accept(ctx, s.Offer()[0]) },
		} {
			r := linktest.NewRouter()
			b := join(t, r, julietJID, nil)
			p := xmpp.NewSession(r.Connect(romeoJID), nil)
			got := make(chan *Jingle, 10)
			p.HandleIQ(xmpp.Set, NS, "jingle", func(_ context.Context, r *xmpp.Request) { // without an answer
				j, err := Parse(r.Payload[0])
				if err != nil {
					t.Error(err)
					return
				}
				got <- j
			})
			serve(t, p)
			if _, err := p.Request(t.Context(), xmpp.Set, juliet, offerOf("zzz").Element()); err != nil {
				t.Fatal(err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			err := try(ctx, b, <-b.incoming)
			cancel()
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%s: %v", name, err)
			}
			<-got
			if j := <-got; j.Action != SessionTerminate || j.Reason.Condition != Cancel {
				t.Errorf("%s: the peer heard %s", name, j.Element())
			}
			b.m.Close()
			_ = b.link.Close()
			_ = p.Close()
			<-b.link.Done()
			<-p.Done()
		}
	})
}
