package evil

import (
	"context"
	"crypto/rand"
	"errors"
	"strings"
	"sync"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/owner"
	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/pubsub"
)

// publishing is a server that answers whoever asks for anybody's certificate, by enrolment's words or from a node of PubSub, with
// one of its own.
func publishing(der []byte) Move {
	return func(st *xmpp.Stanza) []*xmpp.Stanza {
		if st.Kind != xmpp.IQ || st.Type != xmpp.Get || len(st.Payload) == 0 {
			return []*xmpp.Stanza{st}
		}
		answer := &xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: st.ID, From: st.To, To: st.From}
		switch el := st.Payload[0]; {
		case el.Name.Local == "pubkeys":
			answer.Payload = []*xmpp.Element{pairing.Pubkeys(el.Name.Space, der)}
		case el.Is(pubsub.NS, "pubsub"):
			answer.Payload = []*xmpp.Element{xmpp.NewElement(pubsub.NS, "pubsub", published(pubsub.NS, der))}
		default:
			return []*xmpp.Stanza{st}
		}
		return []*xmpp.Stanza{answer}
	}
}

func published(ns string, der []byte) *xmpp.Element {
	item := xmpp.NewElement(ns, "item", pairing.Keyinfo(der)).With("id", pairing.ItemID(der))
	return xmpp.NewElement(ns, "items", item).With("node", pairing.NSPubkeys)
}

// announce tells both sides, unasked, that the other has published a certificate: as an event of PEP, and by enrolment's words.
func (sc *scene) announce(der []byte) {
	const events = "http://jabber.org/protocol/pubsub#event"
	for _, way := range [][2]string{{boxJID, romeoJID}, {romeoJID, boxJID}} {
		from, to := jid.MustParse(way[0]), jid.MustParse(way[1])
		event := xmpp.NewElement(events, "event", published(events, der))
		sc.inject(&xmpp.Stanza{Kind: xmpp.Message, Type: "headline", From: from.Bare(), To: to, Payload: []*xmpp.Element{event}})
		for _, ns := range []string{pairing.NSPubkeysTmp, pairing.NSPubkeys} {
			for _, typ := range []string{xmpp.Set, xmpp.Result} {
				sc.inject(&xmpp.Stanza{Kind: xmpp.IQ, Type: typ, ID: "evil", From: from, To: to, Payload: []*xmpp.Element{pairing.Pubkeys(ns, der)}})
			}
		}
	}
}

// mustPublish shows that the weapon works: who does ask this server, as XEP-0189 has it, gets its certificate for that of anybody.
func mustPublish(t *testing.T, s *server, want trust.Fingerprint) {
	t.Helper()
	reader := xmpp.NewSession(s.connect("juliet@home.example/reader"), nil)
	var serving sync.WaitGroup
	serving.Go(func() { _ = reader.Serve(context.Background()) }) // ends with Close
	defer serving.Wait()
	defer reader.Close()
	for _, full := range []string{boxJID, romeoJID} {
		items, err := pubsub.Retrieve(t.Context(), reader, jid.MustParse(full), pairing.NSPubkeys)
		if err != nil || len(items) != 1 || items[0].ID != want.String() {
			t.Fatalf("the weapon does not work: %s has published %v, %v", full, items, err)
		}
		st, err := reader.Request(t.Context(), xmpp.Get, jid.MustParse(full), xmpp.NewElement(pairing.NSPubkeysTmp, "pubkeys"))
		if err != nil {
			t.Fatal(err)
		}
		if cert, err := pairing.ParsePubkeys(st.Payload[0]); err != nil || trust.FingerprintOf(cert.Raw) != want {
			t.Fatalf("the weapon does not work: %s has answered %s, %v", full, st.Element(), err)
		}
	}
}

// Nothing is trusted because it is published: a server that has a certificate of its own on everybody's nodes, and announces it, while they
// pair and afterwards, gets it into no record, and opens no session with it. The programs do not even ask.
func TestPublishedCertificateIsNotTrusted(t *testing.T) {
	t.Parallel()
	inBubble(t, func(t *testing.T) {
		sc := newScene(t)
		id, err := trust.NewIdentity("attacker", time.Now(), rand.Reader)
		if err != nil {
			t.Fatal(err)
		}
		sc.become(publishing(id.DER()))
		mustPublish(t, sc.server, id.Fingerprint())
		sc.announce(id.DER())
		sc.mustRefuse(t, id)
		sc.p.mustPair(sc.d)
		sc.announce(id.DER())
		sc.mustRefuse(t, id)
		sc.p.mustKnow(sc.d)
		sc.check(t)
		for _, st := range sc.sent() {
			text := st.Element().String()
			if from := st.From.String(); (from == boxJID || from == romeoJID) && st.Type == xmpp.Get && strings.Contains(text, "pubkey") {
				t.Errorf("a certificate is asked for in the clear: %s", text)
			}
		}
		if err := inTime(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) }); err != nil {
			t.Errorf("the owner does not get in: %v", err)
		}
	})
}

// mustRefuse shows that neither side opens a session with who has this certificate and speaks in the other's name.
func (sc *scene) mustRefuse(t *testing.T, id *trust.Identity) {
	t.Helper()
	rogue := startAttackerWith(t, sc.mask(boxJID, romeoJID), id, nil)
	if err := inTime(t, func(ctx context.Context) error { return rogue.open(ctx, boxJID) }); err == nil {
		t.Error("the device opens a session with a certificate that was published")
	}
	startAttackerWith(t, sc.mask(romeoJID, boxJID), id, nil)
	err := inTime(t, func(ctx context.Context) error { return sc.p.open(ctx, boxJID) })
	if !errors.Is(err, owner.ErrNotAuthentic) && !errors.Is(err, owner.ErrNotPaired) {
		t.Errorf("the owner, by a certificate that was published: %v", err)
	}
	sc.unmask()
}
