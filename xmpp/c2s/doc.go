// Package c2s is the link of an account to its own server (RFC 6120): found by SRV records, encrypted by direct TLS
// (XEP-0368) or STARTTLS, authenticated by SCRAM, bound to a resource that is random each time.
//
// What it insists on, with no switch to turn it off: the server's certificate verifies for the account's domain; nothing but
// the request for TLS goes out before TLS; the password is proven, never sent, and the server must prove in turn that it
// knows it. There is therefore no PLAIN: a server that offers nothing else is refused with a hint.
//
// [Dial] makes one connection, a [Link]. A [Supervisor] keeps an account online for ever, over links of any make. Nothing here
// resumes a stream yet; the negotiation goes by what the server's features offer, where that has its place.
package c2s
