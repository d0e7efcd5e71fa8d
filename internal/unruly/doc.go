// Package unruly is an XMPP server in memory that does to stanzas, within TLS, what lines do to bytes: it cuts within one or between two,
// before or after it has acknowledged them; it swallows, stalls, delays and splits them, says again what it has said, counts as it should
// not, writes what is no XML, and forgets streams and tokens. A [Plan] says what and when, at random and the same way again for the same
// seed.
//
// For the rest it is honest, and does what a client of ours needs: SCRAM and tokens in one step with binding and resumption (XEP-0388,
// XEP-0386, XEP-0484), stream management in both directions (XEP-0198), presence and stanzas from one client to another. It keeps books:
// what it has handled and what was acknowledged to it, which is what the tests hold clients to. Its connections are in memory, so that
// all of it runs in a bubble of testing/synctest, where time costs nothing.
//
// What the bytes beneath suffer is package faults; what a server in an attacker's hands does, package evil.
package unruly
