// Package jingle negotiates sessions between two XMPP entities (XEP-0166): the XML types,
// the machine that a session is, and a [Manager] that keeps the sessions of one
// [xmpp.Session]. It speaks exactly the actions that jingle-xtls needs: session-initiate,
// session-accept, session-info, session-terminate and security-info. A session has its
// contents from start to end; requests to change them are answered as XEP-0166 says for
// what is not supported.
//
// It is not a transport (see jingle/ibb) and knows nothing of TLS or trust: the
// <security/> element of jingle-xtls is parsed and written here ([Security]), and judged in package xtls.
//
// Who is who: the peer is the address that the stanza came from. What it says of itself in
// 'initiator' or 'responder' must be the same, or the session ends. Sessions are keyed by
// (peer's full JID, sid). Namespace urn:xmpp:jingle:0 of 2009 is answered in kind.
package jingle

// Namespaces. The forms that end in :0 where a :1 exists are those of 2009.
const (
	NS         = "urn:xmpp:jingle:1"
	NS0        = "urn:xmpp:jingle:0"
	NSErrors   = "urn:xmpp:jingle:errors:1"
	NSErrors0  = "urn:xmpp:jingle:errors:0"
	NSSecurity = "urn:xmpp:jingle:security:xtls:0"  // jingle-xtls
	NSStream   = "urn:xmpp:jingle:apps:xmlstream:0" // XEP-0247
)

// Action is what a <jingle/> element asks for (XEP-0166 §7.2).
type Action string

// The actions that are understood.
const (
	SessionInitiate  Action = "session-initiate"
	SessionAccept    Action = "session-accept"
	SessionInfo      Action = "session-info"
	SessionTerminate Action = "session-terminate"
	SecurityInfo     Action = "security-info" // jingle-xtls, Basic Protocol
)

// The actions that are known, and answered with a refusal.
const (
	ContentAccept    Action = "content-accept"
	ContentAdd       Action = "content-add"
	ContentModify    Action = "content-modify"
	ContentReject    Action = "content-reject"
	ContentRemove    Action = "content-remove"
	DescriptionInfo  Action = "description-info"
	TransportAccept  Action = "transport-accept"
	TransportInfo    Action = "transport-info"
	TransportReject  Action = "transport-reject"
	TransportReplace Action = "transport-replace"
)

// Reason conditions (XEP-0166 §7.4) that are used here and above.
const (
	Success                = "success"
	Decline                = "decline"
	Busy                   = "busy"
	Cancel                 = "cancel"
	Gone                   = "gone"
	Timeout                = "timeout"
	Expired                = "expired"
	GeneralError           = "general-error"
	ConnectivityError      = "connectivity-error"
	SecurityError          = "security-error"
	FailedApplication      = "failed-application"
	FailedTransport        = "failed-transport"
	UnsupportedApplication = "unsupported-applications"
	UnsupportedTransports  = "unsupported-transports"
)
