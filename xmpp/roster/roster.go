package roster

import (
	"context"
	"fmt"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// Item is a contact (RFC 6121 §2.1.2).
type Item struct {
	JID          jid.JID // bare
	Name         string
	Subscription string // none, to, from or both; remove in a push that says so
	Ask          bool   // our request for its presence is not answered yet
	Groups       []string
}

// Get returns the roster. It also makes the session an interested one (RFC 6121 §2.2): before it
// a server sends no pushes, and some (Prosody) no answers to [Subscribe] either.
func Get(ctx context.Context, s *xmpp.Session) ([]Item, error) {
	st, err := s.Request(ctx, xmpp.Get, jid.JID{}, xmpp.NewElement(NS, "query"))
	if err != nil {
		return nil, fmt.Errorf("roster: reading: %w", err)
	}
	return parse(st.Child(NS, "query")), nil
}

// Set adds a contact, or changes its name and groups. Subscriptions are not changed.
func Set(ctx context.Context, s *xmpp.Session, i Item) error {
	el := xmpp.NewElement(NS, "item").With("jid", i.JID.Bare().String()).With("name", i.Name)
	for _, g := range i.Groups {
		el.Add(xmpp.NewText(NS, "group", g))
	}
	return change(ctx, s, "setting", i.JID, el)
}

// Remove removes a contact, and with it the subscriptions both ways (RFC 6121 §2.5). That it is
// not there is no error.
func Remove(ctx context.Context, s *xmpp.Session, peer jid.JID) error {
	el := xmpp.NewElement(NS, "item").With("jid", peer.Bare().String()).With("subscription", "remove")
	return change(ctx, s, "removing", peer, el)
}

func change(ctx context.Context, s *xmpp.Session, doing string, peer jid.JID, item *xmpp.Element) error {
	_, err := s.Request(ctx, xmpp.Set, jid.JID{}, xmpp.NewElement(NS, "query", item))
	if err == nil || item.Attr("subscription") == "remove" && isNotFound(err) {
		return nil
	}
	return fmt.Errorf("roster: %s %s: %w", doing, peer.Bare(), err)
}

// HandlePushes answers what the server tells of changes in the roster, and calls changed (on the read
// goroutine; it may be nil). A push counts only from the own account (RFC 6121 §2.1.6): anybody
// else is answered as if nobody listened, and changes nothing.
func HandlePushes(s *xmpp.Session, changed func(Item)) {
	s.HandleIQ(xmpp.Set, NS, "query", func(_ context.Context, r *xmpp.Request) {
		if !r.From.Equal(s.LocalAddr().Bare()) {
			r.Fail(&xmpp.Error{Type: xmpp.Cancel, Condition: xmpp.ServiceUnavailable})
			return
		}
		items := parse(r.Payload[0])
		if len(items) != 1 { // §2.1.6: exactly one
			r.Fail(&xmpp.Error{Type: xmpp.Modify, Condition: xmpp.BadRequest})
			return
		}
		if changed != nil {
			changed(items[0])
		}
		r.Reply()
	})
}

func parse(el *xmpp.Element) []Item {
	var out []Item
	for _, c := range el.ChildrenNamed(NS, "item") {
		j, err := jid.Parse(c.Attr("jid"))
		if err != nil {
			continue // nothing can be done with it
		}
		i := Item{JID: j, Name: c.Attr("name"), Subscription: c.Attr("subscription"), Ask: c.Attr("ask") == "subscribe"}
		if i.Subscription == "" {
			i.Subscription = "none"
		}
		for _, g := range c.ChildrenNamed(NS, "group") {
			i.Groups = append(i.Groups, g.Text())
		}
		out = append(out, i)
	}
	return out
}
