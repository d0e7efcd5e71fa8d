package jingle

import (
	"context"
	"errors"
	"testing"
	"testing/synctest"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

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
	if err := tell(t, mine, MethodX509); err != nil {
		t.Fatal(err)
	}
	infos := make(chan Content, 10)
	theirs.OnSecurityInfo(func(c Content) { infos <- c })
	if err := tell(t, mine, MethodSRP); err != nil {
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
	if err := tell(t, mine); !errors.Is(err, ErrState) {
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
		"no answer":      {true, 60 * time.Second},
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
				linktest.Serve(t, b)
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
	if err := tell(t, mine); !errors.As(err, &xe) {
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
			linktest.Serve(t, p)
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
