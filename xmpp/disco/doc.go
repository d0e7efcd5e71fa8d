// Package disco implements service discovery (XEP-0030) and entity capabilities (XEP-0115).
//
// A [Registry] says what an entity is; [Serve] answers with it on a session, also for the
// node under which presence announces it. [Query] and [QueryItems] ask others. Which
// features there are is the caller's to say: what a session offers is decided by which
// handlers stand on it. Answers of others are bounded by the stanza's limits and not cached.
package disco

// Namespaces.
const (
	NSInfo  = "http://jabber.org/protocol/disco#info"
	NSItems = "http://jabber.org/protocol/disco#items"
	NSCaps  = "http://jabber.org/protocol/caps"
)
