// Package tlssrp is TLS 1.2 with the Secure Remote Password key exchange (RFC 5054), as a net.Conn.
//
// Two peers that share a password, however weak, authenticate each other and agree on keys. Somebody who listens, or who
// plays one of the two parts, learns nothing that would allow testing passwords offline: one handshake tests one guess.
//
// The package does one thing and refuses everything else. It negotiates TLS 1.2 (RFC 5246) and one of four cipher suites,
// with the Extended Master Secret (RFC 7627) and Encrypt-then-MAC (RFC 7366), both of which it requires of the peer. There
// is no other version, no suite without SRP, no MAC-then-encrypt, no compression, no renegotiation, no resumption and no
// client certificate: a handshake that succeeds has proved the password, always.
//
// Everything computed from a password, a verifier or a private exponent runs in constant time (internal/modexp). The one
// exception is prescribed: RFC 5054 takes the premaster secret without leading zero bytes, and its length shows in the time that
// the key derivation takes. It is fresh for each handshake.
//
// The API follows crypto/tls. Use [Client] or [Server] on a net.Conn, then [Conn.HandshakeContext] with a deadline. A server counts
// guesses in [Config.ProofReceived]; either side recognises a wrong password by [ErrBadPassword].
package tlssrp
