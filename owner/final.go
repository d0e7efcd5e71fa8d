package owner

import (
	"context"
	"errors"
	"io"
	"slices"

	"xtls-agent/xmpp"
)

// isOneOf reports whether err is one of list.
func isOneOf(err error, list ...error) bool {
	return slices.ContainsFunc(list, func(e error) bool { return errors.Is(err, e) })
}

// IsFinal reports whether another attempt to open a session would end as this one did: a person has to do something first.
func IsFinal(err error) bool {
	return isOneOf(err, ErrNotPaired, ErrNotKnown, ErrNotAuthentic, ErrRefused, ErrNotAuthorized, ErrConflict)
}

// isMissing reports whether err says that nobody answers where the device should be, or somebody else does.
func isMissing(err error) bool {
	var nobody *UnreachableError
	return errors.As(err, &nobody) || isOneOf(err, ErrUnreachable, ErrNotADevice)
}

// isCut reports whether err is what an attempt ends with whose line was lost on the way: nobody has refused anything.
func isCut(err error) bool {
	return !IsFinal(err) && !isMissing(err) && !isOneOf(err, context.Canceled, context.DeadlineExceeded) &&
		isOneOf(err, io.EOF, io.ErrUnexpectedEOF, xmpp.ErrClosed, ErrPeerEnded, ErrStalled)
}
