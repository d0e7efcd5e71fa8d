// Package ibb carries a byte stream inside IQ stanzas (XEP-0047, In-Band Bytestreams) and
// makes it a [net.Conn], as a transport of Jingle (XEP-0261).
//
// A [Manager] stands on an [xmpp.Session]. The initiator calls Open, which sends <open/>; the responder
// calls Expect before it accepts the Jingle session, and an <open/> that nobody expects is refused. The
// transport of 2009 (urn:xmpp:jingle:transports:ibb:0) has no <open/>: both sides call Attach.
//
// # Sending
//
// What is written leaves at once, in the goroutine of who writes and in a block of its own, if the window has room:
// TLS waits for its flights. While the window is full, writes gather to whole blocks. The window is how
// many blocks may be unacknowledged; it starts at 2 and adapts between 1 and Config.Window, so that a ping on
// the same link waits behind at most about 2 seconds of this stream's bytes.
//
// # Receiving
//
// Blocks are acknowledged as they come while less than a bounded amount waits for the
// reader; then the acknowledgement is held back until the reader has caught up. A peer that goes on all
// the same is cut off. A block twice, too big, or not in strict base64 ends the stream. One that comes
// before its time is kept for a moment, and acknowledged when those before it have come.
//
// # Closing
//
// IBB has no half-close: <close/> from either side ends both directions. Close sends what was
// written, then <close/>, and waits for its acknowledgement, for a bounded time; what the
// peer sends meanwhile is discarded. When the peer closes, what it sent before is still read, then comes
// io.EOF; what was not yet sent to it is lost.
package ibb

// Namespaces. NSTransport0 is the form of 2009.
const (
	NS           = "http://jabber.org/protocol/ibb"
	NSTransport  = "urn:xmpp:jingle:transports:ibb:1"
	NSTransport0 = "urn:xmpp:jingle:transports:ibb:0"
)

// Block sizes in bytes before base64 (XEP-0047 §2.1).
const (
	DefaultBlockSize = 4096
	MaxBlockSize     = 65535
)
