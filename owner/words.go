package owner

import (
	"xtls-agent/control"
	"xtls-agent/pairing"
	"xtls-agent/trust"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/adhoc"
	"xtls-agent/xmpp/disco"
	"xtls-agent/xmpp/form"
	"xtls-agent/xtls"
)

// The words of the packages beneath that a program on top of this one needs, so that it need not
// know them.
type (
	PIN     = pairing.PIN
	Device  = trust.Record
	Result  = control.Result
	Form    = form.Form
	Field   = form.Field
	Values  = form.Values
	Command = disco.Item
	Link    = xmpp.Link
	Store   = trust.Store
)

// What a device, or the way to it, may say; see package xtls.
var (
	ErrNotPairing     = xtls.ErrNotPairing
	ErrLocked         = xtls.ErrLocked
	ErrTooMany        = xtls.ErrTooMany
	ErrRefused        = xtls.ErrRefused
	ErrNotKnown       = xtls.ErrNotKnown
	ErrWrongPIN       = xtls.ErrWrongPIN
	ErrNotAuthentic   = xtls.ErrNotAuthentic
	ErrPeerEnded      = xtls.ErrPeerEnded
	ErrOutcomeUnknown = adhoc.ErrOutcomeUnknown
)

// ParsePIN reads a PIN as a person types it; see [pairing.ParsePIN].
func ParsePIN(typed string) (PIN, error) { return pairing.ParsePIN(typed) }

// ParseURI reads the URI of a device's QR code; see [pairing.ParseURI].
func ParseURI(s string) (bare string, pin PIN, err error) { return pairing.ParseURI(s) }

// NewMemStore returns a store in memory.
func NewMemStore() Store { return trust.NewMemStore() }
