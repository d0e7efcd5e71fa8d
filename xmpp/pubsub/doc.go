// Package pubsub implements what is needed of publish-subscribe (XEP-0060) to keep items on
// an account's own nodes (personal eventing, XEP-0163), and to read those of others.
//
// [Publish] puts an item on a node that is configured as asked for, above all as closed: where a server
// does not know publish-options, or where the node is there and configured otherwise, the
// node is configured first and the item published only then. An account without such nodes
// is no error: see [Outcome]. Events and subscriptions are not dealt with.
package pubsub

// Namespaces.
const (
	NS       = "http://jabber.org/protocol/pubsub"
	NSOwner  = "http://jabber.org/protocol/pubsub#owner"
	NSErrors = "http://jabber.org/protocol/pubsub#errors"
)

// The FORM_TYPEs of XEP-0060.
const (
	aboutOptions = "http://jabber.org/protocol/pubsub#publish-options"
	aboutConfig  = "http://jabber.org/protocol/pubsub#node_config"
)
