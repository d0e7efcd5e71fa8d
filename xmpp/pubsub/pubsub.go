package pubsub

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/form"
)

// Item is one item of a node.
type Item struct {
	ID      string
	Payload *xmpp.Element // nil if the service sent none
}

// The access models of a node that are used here (XEP-0060 §4.5).
const (
	AccessOpen      = "open"      // to everybody
	AccessPresence  = "presence"  // to those who may see the account's presence
	AccessWhitelist = "whitelist" // to nobody but the account, unless listed
)

// Config is how a node has to be. Items are always kept (persist_items) and never sent when
// somebody comes online, since they are to be asked for.
type Config struct {
	Access   string // required
	MaxItems int    // how many are kept; 0 leaves it to the service, which may keep only one
}

// Outcome is what came of publishing.
type Outcome int

const (
	// Failed comes with an error.
	Failed Outcome = iota
	// Published: the item is there, on a node that is as asked for.
	Published
	// Unsupported: the account has no nodes of its own. That is no error.
	Unsupported
)

func (o Outcome) String() string {
	switch o {
	case Published:
		return "published"
	case Unsupported:
		return "not supported by the account's server"
	}
	return "failed"
}

// Publish puts item on a node of the own account, making or configuring the node as needed. A service
// that knows options must heed them (XEP-0060 §7.1.5; Prosody 13 and ejabberd 24.12 do); one that
// ignores them keeps a node as it is, so what is published should not be a secret.
// The error, if any, is an *[xmpp.Error] or the session's.
func Publish(ctx context.Context, s *xmpp.Session, node string, item Item, c Config) (Outcome, error) {
	err := publish(ctx, s, node, item, c.options())
	if needsConfiguring(err) {
		if err = configure(ctx, s, node, c); err == nil {
			// The node is as it has to be, so the options, which the service may not understand, can be left out.
			err = publish(ctx, s, node, item, nil)
		}
	}
	switch {
	case err == nil:
		return Published, nil
	case isAny(err, xmpp.ServiceUnavailable, xmpp.FeatureNotImplemented):
		return Unsupported, nil
	}
	return Failed, fmt.Errorf("pubsub: publishing on %s: %w", node, err)
}

// needsConfiguring reports whether publishing with options failed for a reason that configuring the
// node may mend: it is otherwise than the options say (XEP-0060 §7.1.5: conflict), or the
// service does not know the options.
func needsConfiguring(err error) bool {
	return isAny(err, xmpp.Conflict, xmpp.BadRequest, xmpp.NotAcceptable, xmpp.FeatureNotImplemented, xmpp.ItemNotFound)
}

func publish(ctx context.Context, s *xmpp.Session, node string, item Item, options *form.Form) error {
	el := xmpp.NewElement(NS, "publish",
		xmpp.NewElement(NS, "item", item.Payload).With("id", item.ID)).With("node", node)
	ps := xmpp.NewElement(NS, "pubsub", el)
	if options != nil {
		ps.Add(xmpp.NewElement(NS, "publish-options", options.Element()))
	}
	_, err := s.Request(ctx, xmpp.Set, jid.JID{}, ps)
	return err
}

// configure makes the node if it is not there, and makes it as c says. Services refuse values
// that they find too high: then it is tried without a number of items, never without the rest.
func configure(ctx context.Context, s *xmpp.Session, node string, c Config) error {
	err := create(ctx, s, node, c)
	if isAny(err, xmpp.Conflict) { // it is there (XEP-0060 §8.1.1)
		ask := xmpp.NewElement(NSOwner, "configure", c.form(aboutConfig).Element()).With("node", node)
		_, err = s.Request(ctx, xmpp.Set, jid.JID{}, xmpp.NewElement(NSOwner, "pubsub", ask))
	}
	if c.MaxItems != 0 && isAny(err, xmpp.NotAcceptable, xmpp.BadRequest) {
		c.MaxItems = 0
		return configure(ctx, s, node, c)
	}
	return err
}

// create makes a node with its configuration in one step (XEP-0060 §8.1.3).
func create(ctx context.Context, s *xmpp.Session, node string, c Config) error {
	ps := xmpp.NewElement(NS, "pubsub", xmpp.NewElement(NS, "create").With("node", node),
		xmpp.NewElement(NS, "configure", c.form(aboutConfig).Element()))
	_, err := s.Request(ctx, xmpp.Set, jid.JID{}, ps)
	return err
}

func (c Config) options() *form.Form { return c.form(aboutOptions) }

func (c Config) form(about string) *form.Form {
	f := form.NewSubmit(about,
		form.Text("pubsub#persist_items", "true"),
		form.Text("pubsub#send_last_published_item", "never"),
		form.Text("pubsub#access_model", c.Access))
	if c.MaxItems > 0 {
		f.Fields = append(f.Fields, form.Text("pubsub#max_items", strconv.Itoa(c.MaxItems)))
	}
	return f
}

// Retrieve returns the items of a node of the account owner (zero: the own one): those with the ids,
// or all. None, without an error, where there is no such node or item, or where the
// account has no nodes. Not being allowed to read is an *[xmpp.Error].
func Retrieve(ctx context.Context, s *xmpp.Session, owner jid.JID, node string, ids ...string) ([]Item, error) {
	ask := xmpp.NewElement(NS, "items").With("node", node)
	for _, id := range ids {
		ask.Add(xmpp.NewElement(NS, "item").With("id", id))
	}
	st, err := s.Request(ctx, xmpp.Get, owner.Bare(), xmpp.NewElement(NS, "pubsub", ask))
	switch {
	case isAny(err, xmpp.ItemNotFound, xmpp.ServiceUnavailable, xmpp.FeatureNotImplemented):
		return nil, nil
	case err != nil:
		return nil, fmt.Errorf("pubsub: reading %s of %s: %w", node, owner, err)
	}
	return parseItems(st.Child(NS, "pubsub"), node), nil
}

// parseItems reads the answer to a request for items. Items of another node are left out.
func parseItems(el *xmpp.Element, node string) []Item {
	list := el.Child(NS, "items")
	if list.Attr("node") != node {
		return nil
	}
	var out []Item
	for _, c := range list.ChildrenNamed(NS, "item") {
		item := Item{ID: c.Attr("id")}
		if payload := c.Children(); len(payload) > 0 {
			item.Payload = payload[0]
		}
		out = append(out, item)
	}
	return out
}

// Retract removes an item from a node of the own account. That it is not there, or that the
// account has no nodes, is no error.
func Retract(ctx context.Context, s *xmpp.Session, node, id string) error {
	ask := xmpp.NewElement(NS, "retract", xmpp.NewElement(NS, "item").With("id", id)).With("node", node)
	_, err := s.Request(ctx, xmpp.Set, jid.JID{}, xmpp.NewElement(NS, "pubsub", ask))
	return unlessAbsent("retracting an item of", node, err)
}

// Delete removes a node of the own account with all its items. That it is not there, or that
// the account has no nodes, is no error.
func Delete(ctx context.Context, s *xmpp.Session, node string) error {
	ask := xmpp.NewElement(NSOwner, "delete").With("node", node)
	_, err := s.Request(ctx, xmpp.Set, jid.JID{}, xmpp.NewElement(NSOwner, "pubsub", ask))
	return unlessAbsent("deleting", node, err)
}

func unlessAbsent(doing, node string, err error) error {
	if err == nil || isAny(err, xmpp.ItemNotFound, xmpp.ServiceUnavailable, xmpp.FeatureNotImplemented) {
		return nil
	}
	return fmt.Errorf("pubsub: %s %s: %w", doing, node, err)
}

// isAny reports whether err is a stanza error with one of the conditions.
func isAny(err error, conditions ...string) bool {
	var xe *xmpp.Error
	if !errors.As(err, &xe) {
		return false
	}
	for _, c := range conditions {
		if xe.Condition == c {
			return true
		}
	}
	return false
}
