package goxmpp

import (
	"bytes"
	"encoding/xml"
	"fmt"
	"strconv"

	upstream "github.com/xmppo/go-xmpp"

	"xtls-agent/xmpp"
)

// noElement is what the library makes of a payload that is not there: its type's name.
const noElement = "<XMLElement></XMLElement>"

// payload makes an element of one as the library keeps it.
func payload(v upstream.XMLElement, limits xmpp.Limits) (*xmpp.Element, error) {
	text, err := xml.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("goxmpp: encoding a payload: %w", err)
	}
	return reencoded(text, limits)
}

// reencoded makes an element of one that the library decoded and encoded again. Its content is as it was on the wire. Its start
// tag is not: encoding/xml has added a declaration of the element's namespace to the one that was there, taken
// declarations of prefixes for attributes of a namespace "xmlns", and named the prefixes of attributes anew. (Attributes of a
// namespace that is really named "xmlns" cannot be told from declarations, and are lost.)
func reencoded(text []byte, limits xmpp.Limits) (*xmpp.Element, error) {
	dec := xml.NewDecoder(bytes.NewReader(text))
	tok, err := dec.RawToken()
	start, ok := tok.(xml.StartElement)
	if err != nil || !ok {
		return nil, fmt.Errorf("goxmpp: %w: no payload", xmpp.ErrNotWellFormed)
	}
	rest := text[dec.InputOffset():]
	content, ok := bytes.CutSuffix(rest, []byte("</"+start.Name.Local+">"))
	if !ok {
		return nil, fmt.Errorf("goxmpp: %w: payload without its end", xmpp.ErrNotWellFormed)
	}
	name, tag := readTag(start).repaired()
	whole := fmt.Appendf(nil, "<%s>%s</%s>", tag, content, name)
	el, err := xmpp.ParseElement(whole, limits)
	if err != nil {
		return nil, fmt.Errorf("goxmpp: payload <%.40s/>: %w", start.Name.Local, err)
	}
	return el, nil
}

// startTag is what a re-encoded start tag says.
type startTag struct {
	local    string
	space    string            // the element's own namespace
	inner    string            // the default namespace of its content
	prefixes []xml.Attr        // those that were declared on the wire: name in Local
	attrs    []xml.Attr        // as they are, with the encoder's prefixes in Space
	made     map[string]string // the encoder's prefixes
}

func readTag(start xml.StartElement) startTag {
	t := startTag{local: start.Name.Local, made: make(map[string]string)}
	var defaults []string
	for _, a := range start.Attr {
		switch {
		case a.Name.Space == "" && a.Name.Local == "xmlns":
			defaults = append(defaults, a.Value)
		case a.Name.Space == "xmlns":
			t.made[a.Name.Local] = a.Value
		}
	}
	for _, a := range start.Attr {
		switch {
		case a.Name.Local == "xmlns" && a.Name.Space == "", a.Name.Space == "xmlns":
		case t.made[a.Name.Space] == "xmlns" && a.Name.Space != "":
			t.prefixes = append(t.prefixes, a)
		default:
			t.attrs = append(t.attrs, a)
		}
	}
	// The encoder writes the element's namespace first. A second declaration is the one on the wire; without it the element
	// had a prefix, and its content the default namespace of the stream.
	t.inner = xmpp.NSClient
	switch len(defaults) {
	case 0:
		t.inner = ""
	case 1:
		t.space = defaults[0]
		if t.space == "" {
			t.inner = ""
		}
	default:
		t.space, t.inner = defaults[0], defaults[1]
	}
	return t
}

// repaired returns the element's name with a prefix, and what stands between the brackets of its start tag.
func (t startTag) repaired() (name string, tag []byte) {
	name = t.local
	var b bytes.Buffer
	if t.space != "" {
		prefix := t.unused("e")
		name = prefix + ":" + t.local
		b.WriteString(name)
		writeAttr(&b, "xmlns:"+prefix, t.space)
	} else {
		b.WriteString(name)
	}
	writeAttr(&b, "xmlns", t.inner)
	for _, p := range t.prefixes {
		writeAttr(&b, "xmlns:"+p.Name.Local, p.Value)
	}
	for i, a := range t.attrs {
		switch space, ok := t.made[a.Name.Space]; {
		case a.Name.Space == "":
			writeAttr(&b, a.Name.Local, a.Value)
		case !ok: // xml:lang
			writeAttr(&b, a.Name.Space+":"+a.Name.Local, a.Value)
		default:
			prefix := t.unused("a" + strconv.Itoa(i) + "_")
			writeAttr(&b, "xmlns:"+prefix, space)
			writeAttr(&b, prefix+":"+a.Name.Local, a.Value)
		}
	}
	return name, b.Bytes()
}

// unused returns a prefix that starts with stem and was not declared on the wire.
func (t startTag) unused(stem string) string {
	for i := 0; ; i++ {
		prefix := stem + strconv.Itoa(i)
		taken := false
		for _, p := range t.prefixes {
			taken = taken || p.Name.Local == prefix
		}
		if !taken {
			return prefix
		}
	}
}

func writeAttr(b *bytes.Buffer, name, value string) {
	b.WriteString(" " + name + "='")
	_ = xml.EscapeText(b, []byte(value)) // a buffer takes everything
	b.WriteByte('\'')
}
