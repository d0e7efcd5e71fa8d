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
	State   = control.State
	Report  = control.Report
	Form    = form.Form
	Field   = form.Field
	Values  = form.Values
	Command = disco.Item
	Program = disco.Identity
	Link    = xmpp.Link
	Outer   = xmpp.Session // of a Link: with the server, or with the device on the LAN
	Store   = trust.Store
	Shared  = trust.Shared
	Call    = adhoc.Call
	Account = control.Account
)

// Errors that carry what a person wants to know.
type (
	// UnreachableError: nobody answers at an address.
	UnreachableError = xmpp.UnreachableError
	// CertificateError: the server's certificate does not verify.
	CertificateError = xmpp.CertificateError
	// RequestError: the other side answered a request with an error.
	RequestError = xmpp.Error
	// FieldError: a field of a form was answered wrongly.
	FieldError = form.FieldError
)

// What a device, or the way to it, may say; see package xtls.
var (
	ErrNotPairing     = xtls.ErrNotPairing
	ErrLocked         = xtls.ErrLocked
	ErrTooMany        = xtls.ErrTooMany
	ErrRefused        = xtls.ErrRefused
	ErrNotKnown       = xtls.ErrNotKnown
	ErrWrongPIN       = xtls.ErrWrongPIN
	ErrMistyped       = xtls.ErrMistyped
	ErrNotTyped       = xtls.ErrNotTyped
	ErrCannotShow     = xtls.ErrCannotShow
	ErrNotAuthentic   = xtls.ErrNotAuthentic
	ErrPeerEnded      = xtls.ErrPeerEnded
	ErrStalled        = xtls.ErrStalled
	ErrOutcomeUnknown = adhoc.ErrOutcomeUnknown
	ErrForgotten      = adhoc.ErrForgotten
	ErrProtocol       = adhoc.ErrProtocol
	ErrOtherCall      = adhoc.ErrOtherCall
	ErrCallNotStored  = adhoc.ErrNotStored
	ErrNotAuthorized  = xmpp.ErrNotAuthorized
	ErrConflict       = xmpp.ErrConflict
)

// What may be wrong with the own memory; see package trust.
var (
	ErrNotStored = trust.ErrNotStored
	ErrLost      = trust.ErrLost
)

// The conditions of a [RequestError] that a program tells apart.
const (
	ItemNotFound = xmpp.ItemNotFound // no such command
	Forbidden    = xmpp.Forbidden
	NotAllowed   = xmpp.NotAllowed
)

// Wait is the type of a [RequestError] after which the same request may be made again.
const Wait = xmpp.Wait

// Types of a [Field] that a program treats apart.
const (
	Hidden  = form.Hidden
	Fixed   = form.Fixed
	Boolean = form.Boolean
	Private = form.TextPrivate
)

// ParsePIN reads a PIN as a person types it; see [pairing.ParsePIN].
func ParsePIN(typed string) (PIN, error) { return pairing.ParsePIN(typed) }

// ParseURI reads the URI of a device's QR code; see [pairing.ParseURI].
func ParseURI(s string) (bare string, pin PIN, err error) { return pairing.ParseURI(s) }

// CleanName makes a name fit to be shown; see [trust.CleanName].
func CleanName(s string) string { return trust.CleanName(s) }

// NewMemStore returns a store in memory.
func NewMemStore() Store { return trust.NewMemStore() }
