package stream

import (
	"fmt"
	"strings"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// version is the version of XMPP spoken here (RFC 6120 §4.7.5).
const version = "1.0"

// Header is the start tag of a stream (RFC 6120 §4.7). A zero address is an absent one.
type Header struct {
	From, To jid.JID
	ID       string // of the stream; in the answer only
	Version  string // "1.0", or empty in a header that a peer of before XMPP 1.0 wrote
}

// appendXML appends the header, after an XML declaration.
func (h Header) appendXML(dst []byte) []byte {
	el := xmpp.NewElement("", "stream:stream")
	el.With("from", h.From.String()).With("to", h.To.String()).With("id", h.ID).With("version", h.Version)
	el.With("xmlns", xmpp.NSClient).With("xmlns:stream", xmpp.NSStream)
	tag := el.AppendXML(nil, "")
	dst = append(dst, "<?xml version='1.0'?>"...)
	dst = append(dst, tag[:len(tag)-len("/>")]...)
	return append(dst, '>')
}

// parseHeader reads a header from the root element of a stream. Its error is a *HeaderError or a sent *Error.
func parseHeader(root *xmpp.Element) (Header, error) {
	if !root.Is(xmpp.NSStream, "stream") {
		return Header{}, &Error{Condition: InvalidNamespace, Sent: true,
			Err: fmt.Errorf("<%.40s/> in namespace %.80q opens no stream", root.Name.Local, root.Name.Space)}
	}
	h := Header{ID: root.Attr("id"), Version: root.Attr("version")}
	if major, _, _ := strings.Cut(h.Version, "."); h.Version != "" && strings.TrimLeft(major, "0") != "1" {
		return Header{}, &Error{Condition: UnsupportedVersion, Sent: true, Err: fmt.Errorf("version %.20q", h.Version)}
	}
	var err error
	if h.From, err = headerAddress(root, "from"); err != nil {
		return Header{}, err
	}
	h.To, err = headerAddress(root, "to")
	return h, err
}

func headerAddress(root *xmpp.Element, attr string) (jid.JID, error) {
	text := root.Attr(attr)
	if text == "" {
		return jid.JID{}, nil
	}
	j, err := jid.Parse(text)
	if err != nil {
		return jid.JID{}, &HeaderError{Attr: attr, Got: text}
	}
	return j, nil
}

// checkAddress holds one address of a header to the one that is wanted; a zero want takes any. It returns the address.
func checkAddress(attr string, got, want jid.JID, strict bool) (jid.JID, error) {
	absent, open := got.Equal(jid.JID{}), want.Equal(jid.JID{})
	switch {
	case absent && (strict || open && attr == "from"):
		return jid.JID{}, &HeaderError{Attr: attr, Want: want.String()}
	case absent:
		return want, nil
	case open:
		return got.Bare(), nil
	case strict && !got.Equal(want), !got.Bare().Equal(want.Bare()):
		return jid.JID{}, &HeaderError{Attr: attr, Got: got.String(), Want: want.String()}
	}
	return want, nil
}
