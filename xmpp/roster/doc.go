// Package roster implements presence, subscriptions and the roster (RFC 6121 §2 to §4), as
// far as a device needs them that is found by its bare address: it keeps requests for its
// presence until somebody decides ([Requests]), shows itself to single peers ([Announce] with an
// address), and keeps its roster tidy. Messages, privacy and roster versions are not dealt with.
package roster

// NS is the roster's namespace.
const NS = "jabber:iq:roster"

// The types of presence that are used here (RFC 6121 §4.7.1); available has none.
const (
	typeSubscribe    = "subscribe"
	typeSubscribed   = "subscribed"
	typeUnavailable  = "unavailable"
	typeUnsubscribe  = "unsubscribe"
	typeUnsubscribed = "unsubscribed"
)
