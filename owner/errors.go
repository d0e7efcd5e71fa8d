package owner

import "errors"

// What can keep an owner from a device, besides what package xtls says ([xtls.ErrNotPairing],
// [xtls.ErrLocked], [xtls.ErrTooMany], [xtls.ErrRefused], [xtls.ErrNotKnown], [xtls.ErrWrongPIN]).
var (
	// ErrNotPaired: there is no record of the device here.
	ErrNotPaired = errors.New("not paired with this device: pair with it first")
	// ErrUnreachable: the device did not show itself in time.
	ErrUnreachable = errors.New("the device does not answer: is it switched on and connected?")
	// ErrNotADevice: something answers at that address, but it does not know XTLS.
	ErrNotADevice = errors.New("what answers at this address is no xtls-agent")
	// ErrUnconfirmed: both sides exchanged certificates, but the first session with them did not
	// come about. Pairing again does no harm.
	ErrUnconfirmed = errors.New("the certificates were exchanged, but the first session with them failed: pair again")
)
