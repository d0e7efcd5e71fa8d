package roster_test

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/peerlink"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xmpp/roster"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// subscriber is a peer in memory that sends presence of a type and waits until it has been handled.
func subscriber(t *testing.T, router *linktest.Router, name string) func(typ string) {
	s := linktest.Serve(t, xmpp.NewSession(router.Connect(name+"/1"), nil))
	return func(typ string) {
		t.Helper()
		to := jid.MustParse("box@y/1") // the router in memory does not route to bare addresses
		if err := s.Send(t.Context(), &xmpp.Stanza{Kind: xmpp.Presence, Type: typ, To: to}); err != nil {
			t.Fatal(err)
		}
		// A request of any kind but a ping, which would overtake: its refusal says that the presence was handled.
		var xe *xmpp.Error
		if _, err := s.Request(t.Context(), xmpp.Get, to, xmpp.NewElement("urn:test", "sync")); !errors.As(err, &xe) {
			t.Fatal(err)
		}
	}
}

// DESIGN §3, finding the device: from a JID that may try the request is kept, 16 at most.
func TestRequestsAreKeptAndBounded(t *testing.T) {
	router := linktest.NewRouter()
	b := xmpp.NewSession(router.Connect("box@y/1"), nil)
	var arrived []string
	q := roster.NewRequests(func(j jid.JID) bool { return j.Domainpart() == "x" }, func(j jid.JID) { arrived = append(arrived, j.String()) }, nil)
	q.Mount(b)
	linktest.Serve(t, b)

	subscriber(t, router, "eve@evil")("subscribe")
	if p := q.Pending(); len(p) != 0 {
		t.Errorf("somebody who may not try is kept: %v", p)
	}
	first := subscriber(t, router, "u0@x")
	first("subscribe")
	first("subscribe")
	if p := q.Pending(); len(p) != 1 || p[0].String() != "u0@x" || !slices.Equal(arrived, []string{"u0@x", "u0@x"}) {
		t.Errorf("%v, arrived %v", p, arrived)
	}
	first("unsubscribe")
	if p := q.Pending(); len(p) != 0 {
		t.Errorf("withdrawn, and still kept: %v", p)
	}
	for n := range roster.MaxRequests + 1 {
		subscriber(t, router, fmt.Sprintf("u%d@x", n))("subscribe")
	}
	p := q.Pending()
	if len(p) != roster.MaxRequests || p[0].String() != "u1@x" || p[len(p)-1].String() != "u16@x" {
		t.Errorf("%d are kept: %v", len(p), p)
	}
	if err := q.Refuse(t.Context(), b, p[0]); err != nil || len(q.Pending()) != roster.MaxRequests-1 {
		t.Errorf("%v, %v", q.Pending(), err)
	}
}

// A server delivers a request once and keeps it: who shows himself asks again, if he may ask at all.
func TestShownPresenceCountsOnlyFromThoseWhoMayAsk(t *testing.T) {
	router := linktest.NewRouter()
	b := xmpp.NewSession(router.Connect("box@y/1"), nil)
	shown := make(chan jid.JID, 4)
	q := roster.NewRequests(func(j jid.JID) bool { return j.Domainpart() == "x" }, nil, func(j jid.JID) { shown <- j })
	q.Mount(b)
	linktest.Serve(t, b)
	subscriber(t, router, "eve@evil")("")
	subscriber(t, router, "u@x")("unavailable")
	subscriber(t, router, "v@x")("")
	if got := <-shown; got.String() != "v@x" || len(shown) != 0 || len(q.Pending()) != 0 {
		t.Errorf("shown by %s, %d more, %v are kept", got, len(shown), q.Pending())
	}
}

// RFC 6121 §2.1.6: a push from anybody but the own account changes nothing.
func TestPushesOnlyFromOwnAccount(t *testing.T) {
	router := linktest.NewRouter()
	router.Tamper = func(st *xmpp.Stanza) []*xmpp.Stanza {
		if st.From.String() == "server@y/1" { // stands for the account's server
			st.From = jid.MustParse("box@y")
		}
		return []*xmpp.Stanza{st}
	}
	b := xmpp.NewSession(router.Connect("box@y/1"), nil)
	pushed := make(chan roster.Item, 4)
	roster.HandlePushes(b, func(i roster.Item) { pushed <- i })
	linktest.Serve(t, b)
	server := linktest.Serve(t, xmpp.NewSession(router.Connect("server@y/1"), nil))
	eve := linktest.Serve(t, xmpp.NewSession(router.Connect("eve@y/1"), nil))

	push := func(n int) *xmpp.Element {
		el := xmpp.NewElement(roster.NS, "query")
		for range n {
			el.Add(xmpp.NewElement(roster.NS, "item").With("jid", fmt.Sprintf("one-of-%d@x", n)).With("subscription", "both"))
		}
		return el
	}
	var xe *xmpp.Error
	box := jid.MustParse("box@y/1")
	if _, err := eve.Request(t.Context(), xmpp.Set, box, push(1)); !errors.As(err, &xe) || xe.Condition != xmpp.ServiceUnavailable {
		t.Errorf("a push from somebody else: %v", err)
	}
	for _, n := range []int{2, 0, 1} { // only the last has exactly one item; the answers go to the account itself, which nobody is here
		call, err := server.Go(t.Context(), xmpp.Set, box, push(n))
		if err != nil {
			t.Fatal(err)
		}
		defer call.Cancel()
	}
	if i := <-pushed; i.JID.String() != "one-of-1@x" || i.Subscription != "both" || len(pushed) != 0 {
		t.Errorf("%+v, and %d more", i, len(pushed))
	}
}

// await returns the next value, or fails with what is missing.
func await[T any](t *testing.T, c <-chan T, what string) T {
	t.Helper()
	select {
	case v := <-c:
		return v
	case <-time.After(20 * time.Second):
		t.Fatalf("no %s came", what)
		panic("unreachable")
	}
}

func TestOnProsody(t *testing.T)  { onServer(t, testpeer.Prosody(t, testpeer.XMPPOptions{})) }
func TestOnEjabberd(t *testing.T) { onServer(t, testpeer.Ejabberd(t, testpeer.XMPPOptions{})) }

// onServer is how an owner finds a device: a request, an answer by directed presence while
// nothing is decided, then the subscription both ways, and its end.
func onServer(t *testing.T, server *testpeer.XMPPServer) {
	boxAddress, password := server.Account(t, "box")
	requests, pushes := make(chan jid.JID, 8), make(chan roster.Item, 16)
	q := roster.NewRequests(func(jid.JID) bool { return true }, func(j jid.JID) { requests <- j }, nil)
	box := peerlink.Session(t, server, boxAddress, password, func(s *xmpp.Session) {
		q.Mount(s)
		roster.HandlePushes(s, func(i roster.Item) { pushes <- i })
	})
	aliceAddress, password := server.Account(t, "alice")
	seen := make(chan *xmpp.Stanza, 16)
	alice := peerlink.Session(t, server, aliceAddress, password, func(s *xmpp.Session) {
		roster.HandlePushes(s, nil)
		s.HandlePresence(func(_ context.Context, r *xmpp.Request) {
			if r.From.Bare().String() == boxAddress {
				seen <- r.Stanza
			}
		})
	})
	for _, s := range []*xmpp.Session{box, alice} { // without it neither pushes nor approvals come
		if _, err := roster.Get(t.Context(), s); err != nil {
			t.Fatal(err)
		}
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(roster.Announce(t.Context(), box, jid.JID{}, roster.Presence{Priority: -1}))
	must(roster.Announce(t.Context(), alice, jid.JID{}, roster.Presence{}))

	must(roster.Subscribe(t.Context(), alice, jid.MustParse(boxAddress)))
	asked := await(t, requests, "request")
	must(roster.Announce(t.Context(), box, asked, roster.Presence{Status: "hello"}))
	st := await(t, seen, "directed presence")
	for st.Type == "unavailable" { // Prosody's word that the request has arrived
		st = await(t, seen, "directed presence")
	}
	if st.Type != "" || st.Child(xmpp.NSClient, "status").Text() != "hello" || st.From.Resourcepart() == "" {
		t.Errorf("%v", st.Element())
	}

	must(q.Accept(t.Context(), box, asked))
	for await(t, seen, "approval").Type != "subscribed" {
	}
	for await(t, seen, "request of the box").Type != "subscribe" {
	}
	must(roster.Approve(t.Context(), alice, jid.MustParse(boxAddress)))
	for await(t, pushes, "roster push").Subscription != "both" {
	}
	must(roster.Set(t.Context(), box, roster.Item{JID: asked, Name: "Alice", Groups: []string{"owners"}}))
	items, err := roster.Get(t.Context(), box)
	if err != nil || len(items) != 1 || items[0].Subscription != "both" || items[0].Name != "Alice" || strings.Join(items[0].Groups, ",") != "owners" {
		t.Errorf("%+v, %v", items, err)
	}
	if len(q.Pending()) != 0 {
		t.Errorf("still pending: %v", q.Pending())
	}

	must(roster.Remove(t.Context(), box, asked))
	must(roster.Remove(t.Context(), box, asked)) // twice is no error
	if items, err = roster.Get(t.Context(), box); err != nil || len(items) != 0 {
		t.Errorf("%+v, %v", items, err)
	}
	for await(t, seen, "end of the subscription").Type != "unsubscribed" {
	}
}
