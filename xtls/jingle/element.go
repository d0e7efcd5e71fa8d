package jingle

import (
	"errors"
	"fmt"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// What a <jingle/> element may hold at most.
const (
	maxContents = 8
	maxSID      = 256 // bytes; it is part of a key that we store
)

// ErrMalformed is what every error of a parser here wraps: the peer gets <bad-request/>.
var ErrMalformed = errors.New("jingle: malformed element")

// Jingle is a <jingle/> element (XEP-0166 §7.1).
type Jingle struct {
	NS        string // NS or NS0
	Action    Action
	SID       string
	Initiator jid.JID // zero if absent
	Responder jid.JID // zero if absent
	Contents  []Content
	Reason    *Reason
	Info      []*xmpp.Element // any other children: the payload of a session-info
}

// Content is a <content/> element (XEP-0166 §7.3). The three children are nil where absent.
type Content struct {
	Creator     string // "initiator" or "responder"
	Name        string
	Senders     string // empty means both
	Description *xmpp.Element
	Transport   *xmpp.Element
	Security    *xmpp.Element // jingle-xtls
}

// Reason is a <reason/> element (XEP-0166 §7.4).
type Reason struct {
	Condition string        // such as SecurityError; general-error is assumed if absent
	Text      string        // for people; a peer's, so not to be trusted
	App       *xmpp.Element // application-specific; may be nil
}

// Parse reads a <jingle/> element. It takes children in any order and keeps those it does
// not know; it refuses what would make a session ambiguous: no action or sid, two
// contents with one name, a second description, transport or security in a content.
func Parse(el *xmpp.Element) (*Jingle, error) {
	if !el.Is(NS, "jingle") && !el.Is(NS0, "jingle") {
		return nil, fmt.Errorf("%w: not a <jingle/>", ErrMalformed)
	}
	j := &Jingle{NS: el.Name.Space, Action: Action(el.Attr("action")), SID: el.Attr("sid")}
	if j.Action == "" || j.SID == "" || len(j.SID) > maxSID {
		return nil, fmt.Errorf("%w: action or sid is missing or too long", ErrMalformed)
	}
	var err error
	if j.Initiator, err = parseJID(el, "initiator"); err != nil {
		return nil, err
	}
	if j.Responder, err = parseJID(el, "responder"); err != nil {
		return nil, err
	}
	for _, c := range el.Children() {
		if err := j.parseChild(c); err != nil {
			return nil, err
		}
	}
	return j, nil
}

func (j *Jingle) parseChild(el *xmpp.Element) error {
	switch {
	case el.Is(j.NS, "content"):
		c, err := parseContent(el)
		if err != nil {
			return err
		}
		for _, other := range j.Contents {
			if other.Name == c.Name && other.Creator == c.Creator {
				return fmt.Errorf("%w: two contents with one name", ErrMalformed)
			}
		}
		if len(j.Contents) == maxContents {
			return fmt.Errorf("%w: more than %d contents", ErrMalformed, maxContents)
		}
		j.Contents = append(j.Contents, c)
	case el.Is(j.NS, "reason"):
		if j.Reason != nil {
			return fmt.Errorf("%w: two reasons", ErrMalformed)
		}
		j.Reason = parseReason(el)
	default:
		j.Info = append(j.Info, el)
	}
	return nil
}

func parseJID(el *xmpp.Element, attr string) (jid.JID, error) {
	text := el.Attr(attr)
	if text == "" {
		return jid.JID{}, nil
	}
	j, err := jid.Parse(text)
	if err != nil {
		return jid.JID{}, fmt.Errorf("%w: %s is no address", ErrMalformed, attr)
	}
	return j, nil
}

// parseContent takes description and transport of any namespace: what they mean is the owner's to judge.
func parseContent(el *xmpp.Element) (Content, error) {
	c := Content{Creator: el.Attr("creator"), Name: el.Attr("name"), Senders: el.Attr("senders")}
	if c.Creator != "initiator" && c.Creator != "responder" || c.Name == "" {
		return Content{}, fmt.Errorf("%w: content without creator or name", ErrMalformed)
	}
	for _, child := range el.Children() {
		var slot **xmpp.Element
		switch {
		case child.Name.Local == "description":
			slot = &c.Description
		case child.Name.Local == "transport":
			slot = &c.Transport
		case child.Is(NSSecurity, "security"):
			slot = &c.Security
		default:
			continue
		}
		if *slot != nil {
			return Content{}, fmt.Errorf("%w: content with two <%s/>", ErrMalformed, child.Name.Local)
		}
		*slot = child
	}
	return c, nil
}

// parseReason takes the first child in the reason's own namespace as the condition, the
// first in another as application-specific.
func parseReason(el *xmpp.Element) *Reason {
	r := &Reason{}
	for _, c := range el.Children() {
		switch {
		case c.Is(el.Name.Space, "text"):
			r.Text = c.Text()
		case c.Name.Space != el.Name.Space && r.App == nil:
			r.App = c
		case c.Name.Space == el.Name.Space && r.Condition == "":
			r.Condition = c.Name.Local
		}
	}
	if r.Condition == "" {
		r.Condition = GeneralError
	}
	return r
}

// Element returns j as XML, in its own namespace.
func (j *Jingle) Element() *xmpp.Element {
	el := xmpp.NewElement(j.NS, "jingle").
		With("action", string(j.Action)).With("initiator", j.Initiator.String()).
		With("responder", j.Responder.String()).With("sid", j.SID)
	for _, c := range j.Contents {
		el.Add(c.element(j.NS))
	}
	el.Add(j.Reason.element(j.NS))
	return el.Add(j.Info...)
}

func (c *Content) element(ns string) *xmpp.Element {
	return xmpp.NewElement(ns, "content", c.Description, c.Transport, c.Security).
		With("creator", c.Creator).With("name", c.Name).With("senders", c.Senders)
}

func (r *Reason) element(ns string) *xmpp.Element {
	if r == nil {
		return nil
	}
	el := xmpp.NewElement(ns, "reason", xmpp.NewElement(ns, r.Condition))
	if r.Text != "" {
		el.Add(xmpp.NewText(ns, "text", r.Text))
	}
	return el.Add(r.App)
}
