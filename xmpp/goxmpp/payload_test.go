package goxmpp

import (
	"encoding/xml"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	upstream "github.com/xmppo/go-xmpp"

	"xtls-agent/xmpp"
)

// What a strict parser takes off the wire is what comes out of the library's detour, or an error: never something else.
func FuzzPayload(f *testing.F) {
	for _, seed := range []string{
		`<q xmlns='urn:test'/>`, `<q xmlns='urn:test' a='&lt;'>t<c/></q>`, `<p:q xmlns:p='urn:test'><p:c/><d/></p:q>`,
		`<p:q xmlns:p='urn:test' xmlns='urn:inner' p:a='1' xml:lang='de'><c/></p:q>`, `<q xmlns=''><r/></q>`, `<q/>`,
		`<q xmlns='urn:test' xmlns:_='urn:a' _:b='c'><_:d/></q>`,
		`<q xmlns='urn:test' xmlns:_xmlns='urn:a' xmlns:b='urn:a/_xmlns' b:x='1' _xmlns:y='2'><b:c/></q>`,
		`<q xmlns='urn:test' xmlns:xmlns1='xmlns' xmlns1:a='b'/>`,
		`<xml:q xmlns='urn:test'/>`, `<q xmlns:p='xmlns' p:q='urn:x'><q:r/></q>`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		whole := "<iq xmlns='jabber:client'>" + text + "</iq>"
		want, err := xmpp.ParseElement([]byte(whole), xmpp.Limits{})
		if err != nil || len(want.Nodes) != 1 || want.Nodes[0].Elem == nil {
			return
		}
		for _, a := range want.Nodes[0].Elem.Attrs {
			if a.Name.Space == "xmlns" { // no namespace of anybody's: see reencoded
				return
			}
		}
		var kept struct { // as the library keeps it
			Query upstream.XMLElement `xml:",any"`
		}
		if err := xml.Unmarshal([]byte(whole), &kept); err != nil {
			return
		}
		got, err := payload(kept.Query, xmpp.Limits{})
		if err != nil {
			return
		}
		if diff := cmp.Diff(want.Nodes[0].Elem, got, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s (-sent +arrived):\n%s", text, diff)
		}
	})
}

// The library's output comes from a peer in the end: no text of it may panic.
func FuzzReencoded(f *testing.F) {
	f.Add([]byte(`<q xmlns="urn:a" xmlns="urn:a" xmlns:_xmlns="xmlns" _xmlns:p="urn:b"><p:c/></q>`))
	f.Add([]byte(noElement))
	f.Add([]byte(`<q`))
	f.Fuzz(func(_ *testing.T, text []byte) { _, _ = reencoded(text, xmpp.Limits{}) })
}
