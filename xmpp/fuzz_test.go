package xmpp

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"mellium.im/xmpp/jid"

	"xtls-agent/internal/fuzztest"
)

// fuzzLimits are small, so that the fuzzer gets to them.
var fuzzLimits = Limits{Bytes: 512, Depth: 6, Elements: 12}

// streamSeeds are what peers say, and what they must not.
var streamSeeds = []string{
	`<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'><message to='a@b'><body>hi</body></message> </stream:stream>`,
	`<s xmlns='a'><b xmlns='' c='1'/><p:d xmlns:p='e' p:f='2' xml:lang='de'>t&lt;<![CDATA[<g>]]></p:d></s>`,
	`<s><a><a><a><a><a><a><a/></a></a></a></a></a></a></s>`, `<s><a/><a/><a/></s>`, `<s><!-- --></s>`, `<s><a b='1' b='2'/></s>`, `<s><a>&#x41;&#1;</a></s>`,
	`<s><iq><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/><x/></iq></s>`, `<!DOCTYPE s [<!ENTITY e "x">]><s>&e;</s>`, `<x:s xmlns:x='u'></y:s>`,
	`<s><a>text<b/>more</a><a>it's</a><a>a]]&gt;</a><a/>
<a>a<![CDATA[b]]>c</a><a b='/'>d</a></s>`, `<s><a>a]]></a></s>`, `<s><a/>text</s>`, `<s><a>a<![CDATA[]]></a></s>`,
}

// decodeAll reads a whole stream.
func decodeAll(r io.Reader) (root *Element, children []*Element, err error) {
	d := NewDecoder(r, fuzzLimits)
	root, err = d.Root()
	for err == nil {
		var el *Element
		if el, err = d.Next(); err == nil {
			children = append(children, el)
		}
	}
	return root, children, err
}

// measure returns how deep an element is, how many it holds, and how many bytes of text.
func measure(el *Element) (depth, elements, text int) {
	depth, elements, text = 1, 1, len(el.Name.Local)
	for _, a := range el.Attrs {
		text += len(a.Name.Local) + len(a.Value)
	}
	for _, n := range el.Nodes {
		text += len(n.Text)
		if n.Elem != nil {
			d, e, t := measure(n.Elem)
			depth, elements, text = max(depth, d+1), elements+e, text+t
		}
	}
	return depth, elements, text
}

// byLibrary reads the children of the root as encoding/xml does, which knows namespaces too.
func byLibrary(data []byte, want int) []*Element {
	d := xml.NewDecoder(bytes.NewReader(data))
	open := []*Element{{}}
	for len(open) == 0 || len(open[0].Nodes) == 0 || len(open) > 2 || len(open[0].Nodes[0].Elem.Children()) < want {
		tok, err := d.Token()
		if err != nil {
			break
		}
		last := open[len(open)-1]
		switch t := tok.(type) {
		case xml.StartElement:
			el := &Element{Name: t.Name}
			for _, a := range t.Attr {
				if a.Name.Space != "xmlns" && a.Name != (xml.Name{Local: "xmlns"}) {
					el.Attrs = append(el.Attrs, a)
				}
			}
			last.Add(el)
			open = append(open, el)
		case xml.EndElement:
			open = open[:len(open)-1]
		case xml.CharData:
			if len(t) > 0 { // <![CDATA[]]> is nothing
				last.Nodes = append(last.Nodes, Node{Text: string(t)})
			}
		}
	}
	for _, root := range open[0].Children() {
		return root.Children()
	}
	return nil
}

// FuzzDecoder: whatever a stream holds, its limits hold, it is read the same however the network cuts it, and what is taken is read
// by encoding/xml alike.
func FuzzDecoder(f *testing.F) {
	for _, s := range streamSeeds {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		root, children, err := decodeAll(bytes.NewReader(data))
		if !errors.Is(err, io.EOF) {
			fuzztest.Line(t, err)
		}
		for _, el := range children {
			depth, elements, text := measure(el)
			if depth > fuzzLimits.Depth || elements > fuzzLimits.Elements || text > fuzzLimits.Bytes {
				t.Fatalf("%d deep, %d elements, %d bytes: %s", depth, elements, text, el)
			}
		}
		_, again, err2 := decodeAll(iotest.OneByteReader(bytes.NewReader(data)))
		if diff := cmp.Diff(children, again); diff != "" || err.Error() != err2.Error() {
			t.Fatalf("a byte at a time: %v, %v\n%s", err, err2, diff)
		}
		if root == nil {
			return
		}
		want := byLibrary(data, len(children))
		if diff := cmp.Diff(want[:min(len(want), len(children))], children, cmpopts.EquateEmpty()); diff != "" {
			t.Fatalf("%q (-encoding/xml +ours):\n%s", data, diff)
		}
	})
}

// FuzzLeaveOut: what comes after a child that was left out is read as if that had been read.
func FuzzLeaveOut(f *testing.F) {
	for _, s := range streamSeeds {
		f.Add([]byte(s))
	}
	for _, s := range []string{
		strings.Repeat("<m xmlns:p='urn:p'>", 40) + "&lt;" + strings.Repeat("</m>", 40), "<m>" + strings.Repeat("<x/>", 200) + "</m>",
		"<m " + manyAttrs(65) + "><p:x/></m>",
	} {
		f.Add([]byte("<s xmlns='urn:s' xmlns:p='urn:q'>" + s + "<p:good/>" + s + "<good a='1'>x</good></s>"))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d := NewDecoder(bytes.NewReader(data), fuzzLimits)
		d.LeaveOut(func(*Element) bool { return true })
		if _, err := d.Root(); err != nil {
			return
		}
		var got []*Element // nil: left out
		el, err := d.Next()
		for ; err == nil || err == ErrLeftOut; el, err = d.Next() {
			if err != nil {
				el = nil
			}
			got = append(got, el)
		}
		want := byLibrary(data, len(got))
		for i, el := range got[:min(len(got), len(want))] {
			if diff := cmp.Diff(want[i], el, cmpopts.EquateEmpty()); el != nil && diff != "" {
				t.Fatalf("%q, child %d (-encoding/xml +ours):\n%s", data, i, diff)
			}
		}
	})
}

// FuzzParseStanza: what is taken for a stanza is written as one, and read as the same; its addresses are those that mellium reads.
func FuzzParseStanza(f *testing.F) {
	long := strings.Repeat("x", 10_000) // what it is in must not be said at length
	for _, s := range []string{
		`<iq xmlns='jabber:client' type='get' id='1' from='romeo@montague.lit/orchard' to='juliet@capulet.lit/balcony'><ping xmlns='urn:xmpp:ping'/></iq>`,
		`<iq xmlns='jabber:client' type='error' id='1'><error type='cancel'><item-not-found xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/><text xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'>no</text><a xmlns='b'/></error></iq>`,
		`<message xmlns='jabber:server' from='@'/>`, `<presence xmlns='jabber:client'/>`, `<iq xmlns='jabber:client' type='none' id='x'/>`, `<message xmlns='a' type='error'/>`,
		"<iq xmlns='jabber:client' type='" + long + "' id='1'/>", "<" + long + " xmlns='jabber:client'/>", "<" + long + "/>", "<a xmlns='" + long + "'/>",
		"<a></" + long + ">", "<" + strings.Repeat(":", 10_000), "<a " + long + "='' " + long + "=''/>", "<" + long + ":a/>",
		"<message xmlns='jabber:client' type='error'><error><" + long + " xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		el, err := ParseElement(data, Limits{Bytes: 1 << 16})
		if fuzztest.Line(t, err) {
			return
		}
		st, err := ParseStanza(el)
		if fuzztest.Line(t, err) {
			return
		}
		for attr, got := range map[string]jid.JID{"from": st.From, "to": st.To} {
			if want, err := jid.Parse(el.Attr(attr)); el.Attr(attr) != "" && (err != nil || !want.Equal(got)) {
				t.Fatalf("%s=%q became %v (%v)", attr, el.Attr(attr), got, err)
			}
		}
		if direct, want := st.AppendXML(nil, st.From.String(), st.To.String()), st.Element().AppendXML(nil, NSClient); !bytes.Equal(direct, want) {
			t.Fatalf("wrote %s, want %s", direct, want)
		}
		el, err = ParseElement([]byte(st.Element().String()), Limits{Bytes: 1 << 20})
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseStanza(el)
		if err != nil || again.Element().String() != st.Element().String() {
			t.Fatalf("%s became %s, %v", st.Element(), again.Element(), err)
		}
		checkStanzaError(t, st)
	})
}

// checkStanzaError holds the error of a stanza to its few types, and to coming out of its own XML again.
func checkStanzaError(t *testing.T, st *Stanza) {
	t.Helper()
	err := st.Err()
	if (err == nil) != (st.Type != Fail) {
		t.Fatalf("%v of type %q", err, st.Type)
	}
	var e *Error
	if !fuzztest.Line(t, err) || !errors.As(err, &e) {
		return
	}
	if !slices.Contains([]string{Auth, Cancel, Continue, Modify, Wait}, e.Type) || e.Condition == "" {
		t.Fatalf("%+v", e)
	}
	if again := ParseError(e.Element()); again.Error() != e.Error() || again.Type != e.Type || (again.App == nil) != (e.App == nil) {
		t.Fatalf("%+v became %+v", e, again)
	}
}
