package xtls_test

import (
	"context"
	"crypto/tls"
	"errors"
	"testing"
	"time"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/jingle/ibb"
)

// What follows an offer's accept leaves without waiting. A peer that refuses one part of it ends the handshake, and the owner hears
// what was refused.
func TestRefusalOfWhatWasSentAhead(t *testing.T) {
	for name, tt := range map[string]struct {
		info, open bool // acknowledged
	}{"security-info": {false, true}, "the transport": {true, false}} {
		t.Run(name, func(t *testing.T) {
			router := linktest.NewRouter()
			owner, r := newSide(t, router, ownerJID, nil), newRogue(t, router, "box@home.example/other")
			owner.pins.add(box.Bare().String(), r.id.DER())
			s := xmpp.NewSession(router.Connect(boxJID), nil)
			answer := func(ok bool) func(*xmpp.Request) {
				return func(req *xmpp.Request) {
					if ok {
						req.Reply()
						return
					}
					req.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.FeatureNotImplemented})
				}
			}
			s.HandleIQ(xmpp.Set, ibb.NS, "open", func(_ context.Context, req *xmpp.Request) { answer(tt.open)(req) })
			for _, name := range []string{"data", "close"} {
				s.HandleIQ(xmpp.Set, ibb.NS, name, func(_ context.Context, req *xmpp.Request) { req.Reply() })
			}
			s.HandleIQ(xmpp.Set, jingle.NS, "jingle", func(_ context.Context, req *xmpp.Request) {
				j, err := jingle.Parse(req.Payload[0])
				if err != nil {
					t.Error(err)
				}
				answer(j.Action != jingle.SecurityInfo || tt.info)(req)
				if j.Action == jingle.SessionInitiate {
					el, err := xmpp.ParseElement([]byte(today.accept(j, secured(sha256Of(r.id), "x509"))), xmpp.Limits{})
					if err != nil {
						t.Error(err)
					}
					_ = s.Post(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: "accept", To: romeo, Payload: []*xmpp.Element{el}})
				}
			})
			linktest.Serve(t, s)
			o := r.result(owner.opens(t, ""))
			var refused *xmpp.Error
			if !errors.As(o.err, &refused) || refused.Condition != xmpp.FeatureNotImplemented {
				t.Errorf("the owner hears %v", o.err)
			}
		})
	}
}

// A peer may be done with TLS before it refuses what was chosen: the owner waits for that, and opens nothing.
func TestRefusalAfterTheHandshake(t *testing.T) {
	owner, r := visiting(t)
	r.held = make(chan *xmpp.Request, 1)
	done := owner.opens(t, "")
	c := tls.Server(r.takes(secured(sha256Of(r.id), "x509")), &tls.Config{
		Certificates: []tls.Certificate{r.id.Certificate}, ClientAuth: tls.RequireAnyClientCert, MinVersion: tls.VersionTLS13,
	})
	if err := c.SetDeadline(time.Now().Add(patience)); err != nil {
		t.Fatal(err)
	}
	if err := c.Handshake(); err != nil {
		t.Fatal(err)
	}
	(<-r.held).Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.FeatureNotImplemented})
	var refused *xmpp.Error
	if o := r.result(done); !errors.As(o.err, &refused) || refused.Condition != xmpp.FeatureNotImplemented {
		t.Errorf("the owner hears %v", o.err)
	}
}
