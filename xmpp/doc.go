// Package xmpp holds what every XMPP conversation of this module shares: the XML
// element tree with a strict, bounded decoder; stanzas and their errors; the [Link]
// that carries stanzas; and the [Session] that correlates requests with responses
// and dispatches what arrives to handlers by namespace.
//
// It is not a client: logging in, framing on a socket and encryption are links, and
// live beneath it (xmpp/c2s, xmpp/stream, xmpp/lan, xmpp/goxmpp). What a peer may do
// is decided by which handlers stand on its session, not by ifs inside them.
//
// It follows RFC 6120 (stanzas, §8) and RFC 6121; extensions have packages of their own.
package xmpp

// Namespaces of RFC 6120 that links and sessions share.
const (
	NSClient  = "jabber:client"
	NSServer  = "jabber:server"
	NSStream  = "http://etherx.jabber.org/streams"
	NSStreams = "urn:ietf:params:xml:ns:xmpp-streams" // stream error conditions, §4.9
	NSStanzas = "urn:ietf:params:xml:ns:xmpp-stanzas" // stanza error conditions, §8.3
	NSXML     = "http://www.w3.org/XML/1998/namespace"
	NSPing    = "urn:xmpp:ping" // XEP-0199
)
