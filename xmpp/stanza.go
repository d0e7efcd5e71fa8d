package xmpp

import (
	"encoding/xml"
	"fmt"

	"mellium.im/xmpp/jid"
)

// The three kinds of stanza (RFC 6120 §8.1), as element names.
const (
	IQ       = "iq"
	Message  = "message"
	Presence = "presence"
)

// The types of an IQ stanza (RFC 6120 §8.2.3).
const (
	Get    = "get"
	Set    = "set"
	Result = "result"
	Fail   = "error" // of presence and message too
)

// Stanza is one <iq/>, <message/> or <presence/>. A zero From or To is an absent one.
type Stanza struct {
	Kind    string // IQ, Message or Presence
	Type    string
	ID      string
	From    jid.JID
	To      jid.JID
	Payload []*Element
}

// ParseStanza reads a stanza from its element. Its namespace may be jabber:client or
// jabber:server; payload that uses the former keeps it.
func ParseStanza(el *Element) (*Stanza, error) { return new(Addresses).ParseStanza(el) }

// parseUnaddressed reads all of a stanza but its addresses.
func parseUnaddressed(el *Element) (*Stanza, error) {
	if el.Name.Space != NSClient && el.Name.Space != NSServer {
		return nil, fmt.Errorf("xmpp: <%.40s/> in namespace %.80q is no stanza", el.Name.Local, el.Name.Space)
	}
	s := &Stanza{Kind: el.Name.Local, Type: el.Attr("type"), ID: el.Attr("id"), Payload: el.Children()}
	switch s.Kind {
	case IQ:
		if s.ID == "" || s.Type != Get && s.Type != Set && s.Type != Result && s.Type != Fail {
			return nil, fmt.Errorf("xmpp: iq without id or with type %.20q", s.Type)
		}
	case Message, Presence:
	default:
		return nil, fmt.Errorf("xmpp: <%.40s/> is no stanza", s.Kind)
	}
	return s, nil
}

// Element returns the stanza as an element of namespace jabber:client.
func (s *Stanza) Element() *Element {
	el := NewElement(NSClient, s.Kind, s.Payload...)
	el.Attrs = make([]xml.Attr, 0, 4)
	return el.With("type", s.Type).With("id", s.ID).With("from", s.From.String()).With("to", s.To.String())
}

// AppendXML appends the stanza as XML, for a place where the default namespace is jabber:client. Addresses are as given and not as in s,
// an empty one is left out: most links know how to write them beforehand.
func (s *Stanza) AppendXML(dst []byte, from, to string) []byte {
	dst = append(dst, '<')
	dst = append(dst, s.Kind...)
	for _, a := range [...]struct{ name, value string }{{"type", s.Type}, {"id", s.ID}, {"from", from}, {"to", to}} {
		if a.value != "" {
			dst = appendAttr(dst, a.name, a.value)
		}
	}
	if len(s.Payload) == 0 {
		return append(dst, "/>"...)
	}
	dst = append(dst, '>')
	for _, p := range s.Payload {
		dst = p.AppendXML(dst, NSClient)
	}
	dst = append(dst, "</"...)
	dst = append(dst, s.Kind...)
	return append(dst, '>')
}

// Child returns the first payload element with the name, or nil.
func (s *Stanza) Child(space, local string) *Element {
	for _, p := range s.Payload {
		if p.Is(space, local) {
			return p
		}
	}
	return nil
}

// IsRequest reports whether s is an IQ that must be answered.
func (s *Stanza) IsRequest() bool { return s.Kind == IQ && (s.Type == Get || s.Type == Set) }

// IsResponse reports whether s answers an IQ.
func (s *Stanza) IsResponse() bool { return s.Kind == IQ && !s.IsRequest() }

// Err returns the stanza's error as an *[Error] if its type is "error", else nil.
func (s *Stanza) Err() error {
	if s.Type != Fail {
		return nil
	}
	for _, p := range s.Payload {
		if p.Name.Local == "error" {
			return ParseError(p)
		}
	}
	return &Error{Type: Cancel, Condition: UndefinedCondition}
}

// answer returns the response to s: swapped addresses, same id.
func (s *Stanza) answer(typ string, payload ...*Element) *Stanza {
	return &Stanza{Kind: s.Kind, Type: typ, ID: s.ID, From: s.To, To: s.From, Payload: payload}
}

// Error is a stanza error (RFC 6120 §8.3).
type Error struct {
	Type      string   // Auth, Cancel, Continue, Modify or Wait
	Condition string   // the defined condition, such as ItemNotFound
	Text      string   // for people; may be empty
	App       *Element // application-specific condition; may be nil
}

// The error types of RFC 6120 §8.3.2.
const (
	Auth     = "auth"
	Cancel   = "cancel"
	Continue = "continue"
	Modify   = "modify"
	Wait     = "wait"
)

// The defined conditions of RFC 6120 §8.3.3 that are used here.
const (
	BadRequest            = "bad-request"
	Conflict              = "conflict"
	FeatureNotImplemented = "feature-not-implemented"
	Forbidden             = "forbidden"
	InternalServerError   = "internal-server-error"
	ItemNotFound          = "item-not-found"
	NotAcceptable         = "not-acceptable"
	NotAllowed            = "not-allowed"
	NotAuthorized         = "not-authorized"
	RecipientUnavailable  = "recipient-unavailable"
	RemoteServerNotFound  = "remote-server-not-found"
	RemoteServerTimeout   = "remote-server-timeout"
	ResourceConstraint    = "resource-constraint"
	ServiceUnavailable    = "service-unavailable"
	UndefinedCondition    = "undefined-condition"
	UnexpectedRequest     = "unexpected-request"
)

// Error says the condition and the text, which are a peer's: the text is quoted, and neither is said at length.
func (e *Error) Error() string {
	if e.Text == "" {
		return fmt.Sprintf("xmpp: %.60s", e.Condition)
	}
	return fmt.Sprintf("xmpp: %.60s: %.200q", e.Condition, e.Text)
}

// Element returns the <error/> child of a stanza.
func (e *Error) Element() *Element {
	el := NewElement(NSClient, "error", NewElement(NSStanzas, e.Condition)).With("type", e.Type)
	if e.Text != "" {
		el.Add(NewText(NSStanzas, "text", e.Text))
	}
	return el.Add(e.App)
}

// ParseError reads an <error/>; what is missing becomes undefined-condition, type cancel.
func ParseError(el *Element) *Error {
	e := &Error{Type: el.Attr("type"), Condition: UndefinedCondition}
	switch e.Type {
	case Auth, Cancel, Continue, Modify, Wait:
	default:
		e.Type = Cancel
	}
	for _, c := range el.Children() {
		switch {
		case c.Is(NSStanzas, "text"):
			e.Text = c.Text()
		case c.Name.Space == NSStanzas:
			e.Condition = c.Name.Local
		case e.App == nil:
			e.App = c
		}
	}
	return e
}
