package xtls

import (
	"context"
	"errors"
	"fmt"

	"mellium.im/xmpp/jid"
)

// Method is a TLS method of the XTLS registry (jingle-xtls, XTLS Methods Registry).
type Method string

// The two methods that an implementation must support (jingle-xtls, Security Considerations).
const (
	X509 Method = "x509"
	SRP  Method = "srp"
)

// What an initiator may have to tell a person apart.
var (
	// ErrNotPairing: the device has no pairing window open.
	ErrNotPairing = errors.New("the device is not in pairing mode")
	// ErrLocked: the device refuses to pair until somebody unlocks it.
	ErrLocked = errors.New("pairing is locked on the device")
	// ErrTooMany: this client has tried too often, or others are trying right now.
	ErrTooMany = errors.New("too many attempts to pair")
	// ErrRefused: the device does not let this account try, or does not know XTLS at all.
	ErrRefused = errors.New("the device refused")
	// ErrNotKnown: the device says that it does not trust our certificate. It was reset, or
	// somebody interferes; it is never a reason to ask for a PIN.
	ErrNotKnown = errors.New("the device does not know this client any more: it was reset, or somebody interferes")
	// ErrWrongPIN: the two sides did not use the same PIN.
	ErrWrongPIN = errors.New("wrong PIN")
	// ErrMistyped is an ErrWrongPIN where the PIN was shown here and typed at the device.
	ErrMistyped = fmt.Errorf("what was typed on the device is another PIN than was shown here: %w", ErrWrongPIN)
	// ErrNotAuthentic: the other side is not who it must be, or a message was changed on the way.
	ErrNotAuthentic = errors.New("the other side could not prove who it is")
	// ErrPeerEnded: the other side ended the session without saying more.
	ErrPeerEnded = errors.New("the other side ended the session")
	// ErrCannotShow: the device wants the PIN typed on it, and there is nobody here to read it.
	ErrCannotShow = errors.New("the device wants a PIN typed on it, and this program shows none")
	// ErrNotTyped: the device wanted the PIN typed on it, and went on without.
	ErrNotTyped = errors.New("the PIN was not typed on the device in time")
	// ErrStalled: nothing came or went for too long, or the handshake took too long in all.
	ErrStalled = errors.New("the line stood still, or was too slow, while the two sides proved themselves to each other")
)

// Fingerprint is the SHA-256 of a certificate's DER, the only form that is ever pinned.
type Fingerprint = [32]byte

// Trust tells which certificates are pinned. It is asked at each session, twice.
type Trust interface {
	// Known reports whether any certificate is pinned for the bare JID.
	Known(peer jid.JID) bool
	// Find returns the pin that a fingerprint announced by peer means: hash is the SHA-256 or, from
	// old clients, the SHA-1 of a certificate. A peer may announce anything; nothing is proven yet.
	Find(peer jid.JID, hash []byte) (pin Fingerprint, ok bool)
	// Pinned reports whether the certificate is pinned for the peer's bare JID now.
	Pinned(peer jid.JID, pin Fingerprint) bool
}

// Gate decides on the responder's side who may try a PIN, and when. The errors that it
// returns decide what the peer hears: [ErrNotPairing],
// [ErrLocked], [ErrTooMany] or [ErrRefused]; any other counts as ErrRefused.
type Gate interface {
	// MayTry says whether peer may try now. It costs nothing.
	MayTry(peer jid.JID) error
	// Admit is MayTry just before the peer's offer is accepted: from then on a person may be typing.
	Admit(peer jid.JID) error
	// Start begins an attempt, which counts against the peer.
	Start(peer jid.JID) (Attempt, error)
	// Typed reports whether a person types the PIN at this side, and reads it at the peer's: then Attempt.Password waits for him.
	Typed() bool
}

// Attempt is one SRP handshake of one peer.
type Attempt interface {
	// Password returns the PIN's digits, or why there are none. It may wait for them to be typed, until the attempt is over.
	Password(ctx context.Context) (string, error)
	// Compute runs f, which keeps a processor busy, when it is this attempt's turn. Its error is f's, or why there was no turn.
	Compute(ctx context.Context, f func() error) error
	// Proof is told once, before the peer is answered, whether the peer proved that it knows the
	// PIN. It returns when that is durable; an error ends the handshake.
	Proof(ok bool) error
	// Done is closed when the attempt must end: the PIN was spent by somebody else, or time is up.
	Done() <-chan struct{}
	// End frees the attempt's place. It may be called more than once.
	End()
}
