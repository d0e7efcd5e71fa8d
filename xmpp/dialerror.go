package xmpp

import (
	"errors"
	"fmt"
)

// What can go wrong while a link is set up, in the same words for every kind of link.
var (
	// ErrNotAuthorized: the server refused the account's name or password.
	ErrNotAuthorized = errors.New("the server refused the account or its password: check both")
	// ErrConflict: another client took over the session (RFC 6120 §4.9.3.3).
	ErrConflict = errors.New("another client logged in with the same resource")
)

// CertificateError says that the server's certificate does not verify.
type CertificateError struct {
	Host       string // the name that it was checked against
	Err        error
	ClockUnset bool // the own clock is behind the program's build date
}

func (e *CertificateError) Error() string {
	hint := "ask whoever runs the server, or give its CA with ca_file"
	if e.ClockUnset {
		hint = "this machine's clock is not set, so dates cannot be checked: set it"
	}
	return fmt.Sprintf("the certificate of %s does not verify: %v (%s)", e.Host, e.Err, hint)
}

func (e *CertificateError) Unwrap() error { return e.Err }

// UnreachableError says that nobody answers at an address.
type UnreachableError struct {
	Addr string
	Err  error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("%s does not answer: %v (check the address and the network)", e.Addr, e.Err)
}

func (e *UnreachableError) Unwrap() error { return e.Err }
