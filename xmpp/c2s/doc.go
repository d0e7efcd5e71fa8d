// Package c2s is the link of an account to its own server (RFC 6120): found by SRV records, encrypted by direct TLS (XEP-0368)
// or STARTTLS, authenticated by SCRAM or by a token (XEP-0388, XEP-0484), bound to a resource that is random each time (RFC
// 6120 §7, XEP-0386), and resumed on another connection when the first is lost (XEP-0198, XEP-0397).
//
// What it insists on, with no switch to turn it off: the server's certificate verifies for the account's domain, also where a
// TLS session is resumed; nothing but the request for TLS goes out before TLS, and nothing in TLS early data; the password is
// proven, never sent, and the server must prove in turn that it knows it, or has the token. There is therefore no PLAIN: a
// server that offers nothing else is refused with a hint.
//
// [Dial] makes a [Link], which looks for connections by itself from then on. A [Supervisor] keeps an account online for ever,
// over links of any make. A [Network] tells both that it is worth trying now. docs/design/009-stream-resumption.md says who
// owns what, and what the servers do that they should not.
//
// It is not a client: presence, roster and whatever else an account does is for who has the link.
package c2s
