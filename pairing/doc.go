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
// The handshake itself is package xtls/tlssrp, and the records of peers are package
// trust. The rules come from the ProtoXEP jingle-xtls, "Verification of Non-Human
// Parties", and are stricter than it.
//
// Three things to know when reading the policy. A right PIN stops new handshakes, and
// the window closes when that peer is enrolled: one window makes one owner; if the
// enrolment fails, a new PIN is shown in what is left of the window. The failures of a
// fixed PIN are counted until a success or an unlock, but the growing wait starts afresh
// in each window, since only a hand at the button opens one. And with a fixed PIN an owner or the local
// command cannot open a window, only prepare one that the next press opens.
package pairing
