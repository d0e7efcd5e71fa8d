package xmpp_test

import (
	"context"
	"errors"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
)

// RFC 6120 §8.2.3: a request has exactly one payload. Of two, the one that is looked at could be another than the one that
// is acted on.
func TestARequestHasOnePayload(t *testing.T) {
	router := linktest.NewRouter()
	bob := xmpp.NewSession(router.Connect("bob@x/1"), nil)
	bob.HandleIQ(xmpp.Set, nsTest, "do", func(_ context.Context, r *xmpp.Request) {
		t.Error("it was done")
		r.Reply()
	})
	linktest.Serve(t, bob)
	answers := make(chan *xmpp.Stanza, 1)
	eve := router.Connect("eve@x/1")
	defer eve.Close()
	go func() {
		st, err := eve.ReadStanza()
		if err == nil {
			answers <- st
		}
		close(answers)
	}()
	two := []*xmpp.Element{xmpp.NewElement(nsTest, "do"), xmpp.NewElement(nsTest, "do")}
	if err := eve.WriteStanza(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Set, ID: "1", To: jid.MustParse("bob@x/1"), Payload: two}); err != nil {
		t.Fatal(err)
	}
	var refused *xmpp.Error
	if st := <-answers; st == nil || !errors.As(st.Err(), &refused) || refused.Condition != xmpp.BadRequest {
		t.Errorf("%+v", st)
	}
}

// A second answer to a request is an answer to nothing.
func TestAnswerCountsOnce(t *testing.T) {
	router := linktest.NewRouter()
	bob := router.Connect("bob@x/1")
	defer bob.Close()
	alice := linktest.Serve(t, xmpp.NewSession(router.Connect("alice@x/1"), nil))
	call, err := alice.Go(t.Context(), xmpp.Get, jid.MustParse("bob@x/1"), xmpp.NewElement(nsTest, "q"))
	if err != nil {
		t.Fatal(err)
	}
	q, err := bob.ReadStanza()
	if err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := bob.WriteStanza(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: q.ID, To: q.From}); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := call.Wait(t.Context()); err != nil {
		t.Fatal(err)
	}
	next, err := alice.Go(t.Context(), xmpp.Get, jid.MustParse("bob@x/1"), xmpp.NewElement(nsTest, "q"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := bob.ReadStanza(); err != nil { // the session has read both answers, and goes on
		t.Fatal(err)
	}
	next.Cancel()
}
