package goxmpp

import (
	"fmt"
	"time"

	upstream "github.com/xmppo/go-xmpp"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

const (
	nsDiscoInfo  = "http://jabber.org/protocol/disco#info"
	nsDiscoItems = "http://jabber.org/protocol/disco#items"
	nsForm       = "jabber:x:data"
	nsDelay      = "urn:xmpp:delay"
)

// incoming makes a stanza of what the library hands out, as far as that goes. It returns nil for what must not be passed on,
// with an error if that is for its content.
func incoming(received any, limits xmpp.Limits) (*xmpp.Stanza, error) {
	switch v := received.(type) {
	case upstream.IQ:
		return incomingIQ(v, limits)
	case upstream.DiscoResult:
		return addressed(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: v.ID, Payload: one(discoInfo(v))}, v.From, v.To)
	case upstream.DiscoItems:
		return addressed(&xmpp.Stanza{Kind: xmpp.IQ, Type: xmpp.Result, ID: v.ID, Payload: one(discoItems(v))}, v.Jid, "")
	case upstream.Presence:
		return incomingPresence(v)
	case upstream.Chat:
		return incomingMessage(v, limits)
	}
	// Of a PEP event the sender is lost: passed on without one it would count as the own account's (RFC 6120 §8.1.2.1).
	// The other types are answers to what is never asked here.
	return nil, fmt.Errorf("goxmpp: a %T is not passed on", received)
}

// addressed sets a stanza's addresses. One whose addresses are malformed is not passed on: there is nobody to answer.
func addressed(st *xmpp.Stanza, from, to string) (*xmpp.Stanza, error) {
	for _, a := range []struct {
		text string
		to   *jid.JID
	}{{from, &st.From}, {to, &st.To}} {
		if a.text == "" {
			continue
		}
		j, err := jid.Parse(a.text)
		if err != nil {
			return nil, fmt.Errorf("goxmpp: a bad address: %w", err)
		}
		*a.to = j
	}
	return st, nil
}

func incomingIQ(v upstream.IQ, limits xmpp.Limits) (*xmpp.Stanza, error) {
	st, err := addressed(&xmpp.Stanza{Kind: xmpp.IQ, Type: v.Type, ID: v.ID}, v.From, v.To)
	if err != nil {
		return nil, err
	}
	switch {
	case v.ID == "" || v.Type != xmpp.Get && v.Type != xmpp.Set && v.Type != xmpp.Result && v.Type != xmpp.Fail:
		return nil, fmt.Errorf("goxmpp: iq without id or with type %.20q", v.Type)
	case v.Type == xmpp.Fail: // what else is in it repeats the request
		st.Payload = one(stanzaError(v.Error).Element())
	case len(v.Query) == 0, string(v.Query) == noElement:
	default:
		el, bad := reencoded(v.Query, limits)
		if bad != nil {
			return unreadable(st), bad
		}
		st.Payload = one(el)
	}
	return st, nil
}

// unreadable is what is passed on of an IQ whose payload is not: an answer becomes an error, and a request without payload
// is answered as a bad one.
func unreadable(st *xmpp.Stanza) *xmpp.Stanza {
	if st.Type == xmpp.Result {
		st.Type = xmpp.Fail
		st.Payload = one((&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.UndefinedCondition, Text: "the answer cannot be read"}).Element())
	}
	return st
}

func incomingPresence(v upstream.Presence) (*xmpp.Stanza, error) {
	st := &xmpp.Stanza{Kind: xmpp.Presence, Type: v.Type, ID: v.ID}
	st.Payload = texts(st.Payload, "show", v.Show, "status", v.Status)
	if v.Type == xmpp.Fail {
		st.Payload = append(st.Payload, stanzaError(upstream.IQError{Condition: v.Error}).Element())
	}
	return addressed(st, v.From, v.To)
}

func incomingMessage(v upstream.Chat, limits xmpp.Limits) (*xmpp.Stanza, error) {
	st := &xmpp.Stanza{Kind: xmpp.Message, Type: v.Type}
	st.Payload = texts(st.Payload, "subject", v.Subject, "body", v.Text, "thread", v.Thread)
	for _, other := range v.OtherElem {
		el, err := payload(other, limits)
		if err != nil {
			return nil, err
		}
		st.Payload = append(st.Payload, el)
	}
	if !v.Stamp.IsZero() {
		st.Payload = append(st.Payload, xmpp.NewElement(nsDelay, "delay").With("stamp", v.Stamp.UTC().Format(time.RFC3339)))
	}
	return addressed(st, v.Remote, "")
}

// texts appends an element of jabber:client for each name whose text is not empty.
func texts(dst []*xmpp.Element, nameText ...string) []*xmpp.Element {
	for i := 0; i < len(nameText); i += 2 {
		if nameText[i+1] != "" {
			dst = append(dst, xmpp.NewText(xmpp.NSClient, nameText[i], nameText[i+1]))
		}
	}
	return dst
}

func discoInfo(v upstream.DiscoResult) *xmpp.Element {
	query := xmpp.NewElement(nsDiscoInfo, "query")
	for _, id := range v.Identities {
		query.Add(xmpp.NewElement(nsDiscoInfo, "identity").With("category", id.Category).With("type", id.Type).With("name", id.Name))
	}
	for _, feature := range v.Features {
		query.Add(xmpp.NewElement(nsDiscoInfo, "feature").With("var", feature))
	}
	for _, x := range v.X {
		if x.XMLName.Space == nsForm {
			query.Add(discoForm(x))
		}
	}
	return query
}

func discoForm(x upstream.DiscoX) *xmpp.Element {
	form := xmpp.NewElement(nsForm, "x").With("type", "result") // XEP-0128 §3
	for _, f := range x.Field {
		field := xmpp.NewElement(nsForm, "field").With("var", f.Var).With("type", f.Type)
		for _, value := range f.Value {
			field.Add(xmpp.NewText(nsForm, "value", value))
		}
		form.Add(field)
	}
	return form
}

func discoItems(v upstream.DiscoItems) *xmpp.Element {
	query := xmpp.NewElement(nsDiscoItems, "query")
	for _, item := range v.Items {
		query.Add(xmpp.NewElement(nsDiscoItems, "item").With("jid", item.Jid).With("node", item.Node).With("name", item.Name))
	}
	return query
}

func one(el *xmpp.Element) []*xmpp.Element { return []*xmpp.Element{el} }
