package pubsub_test

import (
	"context"
	"errors"
	"slices"
	"sync"
	"testing"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
	"xtls-agent/xmpp/internal/peerlink"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xmpp/pubsub"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const node = "urn:xmpp:pubkey:0"

var closed = pubsub.Config{Access: pubsub.AccessPresence, MaxItems: 20}

func key(id string) pubsub.Item {
	return pubsub.Item{ID: id, Payload: xmpp.NewElement(node, "keyinfo", xmpp.NewText(node, "x509cert", "DER of "+id))}
}

func TestOnProsody(t *testing.T)  { onServer(t, testpeer.Prosody(t, testpeer.XMPPOptions{})) }
func TestOnEjabberd(t *testing.T) { onServer(t, testpeer.Ejabberd(t, testpeer.XMPPOptions{})) }

// onServer publishes on a real server: on a node that is not there, and on one that is open.
func onServer(t *testing.T, server *testpeer.XMPPServer) {
	alice, password := server.Account(t, "alice")
	a := peerlink.Session(t, server, alice, password, nil)
	eve, password := server.Account(t, "eve")
	e := peerlink.Session(t, server, eve, password, nil)

	if items, err := pubsub.Retrieve(t.Context(), a, jid.JID{}, node); err != nil || len(items) != 0 {
		t.Errorf("a node that is not there: %v, %v", items, err)
	}
	for _, id := range []string{"one", "two", "two"} {
		if got, err := pubsub.Publish(t.Context(), a, node, key(id), closed); err != nil || got != pubsub.Published {
			t.Fatalf("%v, %v", got, err)
		}
	}
	wantClosed(t, a, e, alice, node)
	wantItems(t, a, alice, "one", "two")
	if err := pubsub.Retract(t.Context(), a, node, "one"); err != nil {
		t.Error(err)
	}
	if err := pubsub.Retract(t.Context(), a, node, "one"); err != nil {
		t.Errorf("retracting twice: %v", err)
	}
	wantItems(t, a, alice, "two")
	for range 2 {
		if err := pubsub.Delete(t.Context(), a, node); err != nil {
			t.Error(err)
		}
	}
	wantItems(t, a, alice)

	// What stands there open, from another program, is closed before the item is published.
	if got, err := pubsub.Publish(t.Context(), a, node, key("old"), pubsub.Config{Access: pubsub.AccessOpen}); err != nil || got != pubsub.Published {
		t.Fatalf("%v, %v", got, err)
	}
	if items, err := pubsub.Retrieve(t.Context(), e, jid.MustParse(alice), node); err != nil || len(items) != 1 {
		t.Fatalf("an open node, read by a stranger: %v, %v", items, err)
	}
	if got, err := pubsub.Publish(t.Context(), a, node, key("new"), closed); err != nil || got != pubsub.Published {
		t.Fatalf("%v, %v", got, err)
	}
	wantClosed(t, a, e, alice, node)
	wantItems(t, a, alice, "new", "old")
}

// wantClosed checks the node's configuration, and that a stranger cannot read it.
func wantClosed(t *testing.T, a, stranger *xmpp.Session, owner, node string) {
	t.Helper()
	ask := xmpp.NewElement(pubsub.NSOwner, "pubsub", xmpp.NewElement(pubsub.NSOwner, "configure").With("node", node))
	st, err := a.Request(t.Context(), xmpp.Get, jid.JID{}, ask)
	if err != nil {
		t.Fatal(err)
	}
	f, err := form.Parse(st.Payload[0].Child(pubsub.NSOwner, "configure").Child(form.NS, "x"))
	if err != nil {
		t.Fatal(err)
	}
	persist, last := f.Value("pubsub#persist_items"), f.Value("pubsub#send_last_published_item")
	if access := f.Value("pubsub#access_model"); access != "presence" || persist != "1" && persist != "true" || last != "never" {
		t.Errorf("access %s, persist %s, send last %s", access, persist, last)
	}
	var xe *xmpp.Error
	if items, err := pubsub.Retrieve(t.Context(), stranger, jid.MustParse(owner), node); !errors.As(err, &xe) {
		t.Errorf("a stranger reads %v, %v", items, err)
	}
}

func wantItems(t *testing.T, a *xmpp.Session, owner string, want ...string) {
	t.Helper()
	items, err := pubsub.Retrieve(t.Context(), a, jid.MustParse(owner), node)
	if err != nil {
		t.Fatal(err)
	}
	var ids []string
	for _, i := range items {
		ids = append(ids, i.ID)
		if cert := i.Payload.Child(node, "x509cert").Text(); cert != "DER of "+i.ID {
			t.Errorf("item %s holds %q", i.ID, cert)
		}
	}
	if slices.Sort(ids); !slices.Equal(ids, want) {
		t.Errorf("items %q, want %q", ids, want)
	}
	if len(want) > 0 {
		if one, err := pubsub.Retrieve(t.Context(), a, jid.JID{}, node, want[0]); err != nil || len(one) != 1 || one[0].ID != want[0] {
			t.Errorf("item %s alone: %v, %v", want[0], one, err)
		}
	}
}

// service answers the n-th request with the n-th error condition ("" for success), and
// records what was asked.
func service(t *testing.T, answers ...string) (*xmpp.Session, func() []string) {
	la, lb := linktest.Pipe("a@x", "x")
	a, b := xmpp.NewSession(la, nil), xmpp.NewSession(lb, nil)
	var mu sync.Mutex
	var asked []string
	answer := func(_ context.Context, r *xmpp.Request) {
		mu.Lock()
		defer mu.Unlock()
		what := r.Payload[0].Children()[0].Name.Local
		if r.Payload[0].Child(pubsub.NS, "publish-options") != nil {
			what += " with options"
		}
		asked = append(asked, what)
		if n := len(asked); n <= len(answers) && answers[n-1] != "" {
			r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: answers[n-1]})
			return
		}
		r.Reply()
	}
	b.HandleIQ(xmpp.Set, pubsub.NS, "pubsub", answer)
	b.HandleIQ(xmpp.Set, pubsub.NSOwner, "pubsub", answer)
	linktest.Serve(t, b)
	return linktest.Serve(t, a), func() []string { mu.Lock(); defer mu.Unlock(); return asked }
}

// An item is published without options only after the service has said that the node is as
// asked for; an account without nodes is no error.
func TestPublishFallsBackSafely(t *testing.T) {
	const with, without = "publish with options", "publish"
	for name, c := range map[string]struct {
		answers []string
		want    pubsub.Outcome
		asked   []string
	}{
		"all well":             {nil, pubsub.Published, []string{with}},
		"no PEP":               {[]string{xmpp.ServiceUnavailable}, pubsub.Unsupported, []string{with}},
		"no options, no PEP":   {[]string{xmpp.FeatureNotImplemented, xmpp.FeatureNotImplemented}, pubsub.Unsupported, []string{with, "create"}},
		"options unknown":      {[]string{xmpp.BadRequest}, pubsub.Published, []string{with, "create", without}},
		"precondition":         {[]string{xmpp.Conflict, xmpp.Conflict}, pubsub.Published, []string{with, "create", "configure", without}},
		"too many items":       {[]string{xmpp.Conflict, xmpp.Conflict, xmpp.NotAcceptable, xmpp.Conflict}, pubsub.Published, []string{with, "create", "configure", "create", "configure", without}},
		"not to be configured": {[]string{xmpp.Conflict, xmpp.Conflict, xmpp.Forbidden}, pubsub.Failed, []string{with, "create", "configure"}},
		"refuses presence":     {[]string{xmpp.Conflict, xmpp.NotAcceptable, xmpp.NotAcceptable}, pubsub.Failed, []string{with, "create", "create"}},
		"forbidden":            {[]string{xmpp.Forbidden}, pubsub.Failed, []string{with}},
	} {
		a, asked := service(t, c.answers...)
		got, err := pubsub.Publish(t.Context(), a, node, key("k"), closed)
		if got != c.want || (err != nil) != (c.want == pubsub.Failed) || !slices.Equal(asked(), c.asked) {
			t.Errorf("%s: %v, %v after %q", name, got, err, asked())
		}
	}
}

func TestNoNodesAtAll(t *testing.T) {
	a, _ := service(t, xmpp.ServiceUnavailable, xmpp.ServiceUnavailable, xmpp.Forbidden)
	if err := pubsub.Retract(t.Context(), a, node, "x"); err != nil {
		t.Error(err)
	}
	if err := pubsub.Delete(t.Context(), a, node); err != nil {
		t.Error(err)
	}
	if err := pubsub.Delete(t.Context(), a, node); err == nil {
		t.Error("a refusal passed for absence")
	}
	if items, err := pubsub.Retrieve(t.Context(), a, jid.JID{}, node); err != nil || items != nil { // nobody handles get
		t.Errorf("%v, %v", items, err)
	}
}
