package goxmpp

import (
	"testing"

	upstream "github.com/xmppo/go-xmpp"
	"mellium.im/xmpp/jid"

	"xtls-agent/internal/fuzztest"
	"xtls-agent/xmpp"
)

// FuzzIncoming: whatever the library hands out, what is passed on is a stanza that can be written and read again, from whom it says; what is
// not has one line of reason.
func FuzzIncoming(f *testing.F) {
	f.Add(uint8(0), "set", "1", "romeo@montague.lit/x", "juliet@capulet.lit", `<q xmlns="urn:a"></q>`, "")
	f.Add(uint8(0), "error", "1", "romeo@montague.lit", "", noElement, "item-not-found")
	f.Add(uint8(0), "result", "", "@", "", "<q", "x y")
	f.Add(uint8(1), "unavailable", "", "romeo@montague.lit/x", "", "away", "gone\x00")
	f.Add(uint8(2), "chat", "", "romeo@montague.lit/x", "", "hi \x1b", "subject")
	f.Add(uint8(3), "", "1", "romeo@montague.lit", "", "urn:feature", "name")
	f.Fuzz(func(t *testing.T, kind uint8, typ, id, from, to, text, other string) {
		received := []any{
			upstream.IQ{ID: id, Type: typ, From: from, To: to, Query: []byte(text), Error: upstream.IQError{Condition: other, Text: text}},
			upstream.Presence{Type: typ, From: from, To: to, Show: text, Status: other, Error: other},
			upstream.Chat{Type: typ, Remote: from, Text: text, Subject: other},
			upstream.DiscoResult{ID: id, From: from, To: to, Features: []string{text}, Identities: []upstream.DiscoIdentity{{Category: other, Type: typ, Name: text}}},
			upstream.DiscoItems{ID: id, Jid: from, Items: []upstream.DiscoItem{{Jid: to, Node: text, Name: other}}},
		}[kind%5]
		st, err := incoming(received, xmpp.Limits{})
		fuzztest.Line(t, err)
		if st == nil {
			return
		}
		if want, err := jid.Parse(from); from != "" && (err != nil || !want.Equal(st.From)) {
			t.Fatalf("from %q became %v (%v)", from, st.From, err)
		}
		for _, p := range st.Payload {
			if p.Name.Local == "" {
				t.Fatalf("a payload without a name: %v", st.Element())
			}
		}
		el, err := xmpp.ParseElement([]byte(st.Element().String()), xmpp.Limits{Bytes: 1 << 22})
		if err != nil {
			t.Fatalf("%v: %s", err, st.Element())
		}
		if _, err := xmpp.ParseStanza(el); err != nil && kind%5 != 0 && id != "" {
			t.Fatalf("%v: %s", err, st.Element())
		}
	})
}
