// Package xtls turns a Jingle session into an authenticated, encrypted [net.Conn], as the
// ProtoXEP "XMPP Transport Layer Security" (jingle-xtls, version 0.0.4) says: a <security/> element in the
// offer and in the answer names fingerprints and methods, a security-info names the
// method chosen, and the first bytes on the transport are TLS.
//
//	initiator                              responder
//	session-initiate  fingerprint, methods ──▶  Trust, Gate: which methods does this peer get?
//	                  ◀── session-accept   fingerprint, methods
//	security-info     the one method ──▶
//	<open/>           in-band bytestream ──▶
//	TLS client        ◀═ handshake ═▶      TLS server
//	                  ◀═ application ═▶
//
// Two methods exist: "x509" is mutual TLS 1.3 with pinned certificates, "srp" is TLS 1.2
// with the SRP key exchange (package tlssrp), for pairing. Who is trusted, and whether a
// pairing window is open, the package asks through small interfaces of its own ([Trust], [Gate]).
//
// It is not the XML stream inside (xmpp/stream), nor the exchange of certificates (pairing).
package xtls
