package client

import (
	"errors"
	"fmt"
)

// UsageError says that what a person gave cannot be meant.
type UsageError struct{ Err error }

func (e *UsageError) Error() string { return e.Err.Error() }
func (e *UsageError) Unwrap() error { return e.Err }

func usagef(format string, args ...any) error { return &UsageError{fmt.Errorf(format, args...)} }

var (
	// ErrUnknownName: no device is called that here.
	ErrUnknownName = errors.New("no device has that name here")
	// ErrNoAccount: the device is not on the LAN, and there is no account.
	ErrNoAccount = errors.New("no account: log in with: xtlsctl login JID")
)
