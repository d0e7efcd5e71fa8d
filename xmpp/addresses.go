package xmpp

import (
	"fmt"

	"mellium.im/xmpp/jid"
)

// knownAddresses is how many addresses a reader knows again: one's own, the server's, and those of some peers.
const knownAddresses = 8

// Addresses parses the addresses of stanzas, and knows the last few of them again: a stream has few, and to prepare a JID costs as much as the
// rest of a short stanza. The zero value is ready for use, by one goroutine.
type Addresses struct {
	known [knownAddresses]knownAddress
	next  int // which is forgotten next
}

// knownAddress is an address as it was written, and what it means.
type knownAddress struct {
	text string
	jid  jid.JID
}

// ParseStanza is [ParseStanza].
func (a *Addresses) ParseStanza(el *Element) (*Stanza, error) {
	s, err := parseUnaddressed(el)
	if err != nil {
		return nil, err
	}
	if s.From, err = a.parse(el, "from"); err != nil {
		return nil, err
	}
	s.To, err = a.parse(el, "to")
	return s, err
}

func (a *Addresses) parse(el *Element, attr string) (jid.JID, error) {
	text := el.Attr(attr)
	if text == "" {
		return jid.JID{}, nil
	}
	for _, k := range a.known {
		if k.text == text {
			return k.jid, nil
		}
	}
	j, err := jid.Parse(text)
	if err != nil {
		return jid.JID{}, fmt.Errorf("xmpp: bad address in %q: %w", attr, err)
	}
	a.known[a.next] = knownAddress{text, j}
	a.next = (a.next + 1) % len(a.known)
	return j, nil
}
