// Package pairing decides who may become an owner of the device, and when.
//
// It holds the PIN, the pairing window and the policy of attempts. The PIN is the
// password of the TLS-SRP handshake (RFC 5054) that runs inside a Jingle session;
// the window is the span of time in which such a handshake may run at all; the
// policy counts starts and proofs, spends PINs, and says what the display shows.
//
// [Policy] is a pure state machine: events and readings of a monotonic clock go in,
// decisions and [Effects] come out. It starts no goroutine, does no I/O and keeps no
// lock, so that every rule can be tested by calling it. [Keeper] is the thin shell
// that a running device uses: a mutex, a timer, durable counters, a display.
//
// The package opens no connections and stores no certificates: the handshake itself
// is package xtls/tlssrp, the records of peers are package trust.
package pairing
