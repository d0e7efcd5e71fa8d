package jingle

import (
	"errors"
	"fmt"

	"xtls-agent/xmpp"
)

// ErrTieBreak ends a session of ours that gave way to one that the peer started at the same time.
var ErrTieBreak = errors.New("jingle: both sides started a session; the peer's goes on")

// ErrState is returned for what cannot be done in the session's present state.
var ErrState = errors.New("jingle: not possible at this point of the session")

// ErrTimeout ends a session whose peer did not take the next step in time.
var ErrTimeout = errors.New("jingle: the peer did not answer in time")

// ErrTooMany is returned if there are as many sessions as the manager may keep.
var ErrTooMany = errors.New("jingle: too many sessions")

// EndedError says how a session ended.
type EndedError struct {
	Reason *Reason // as sent or received; nil if the peer vanished or refused with an IQ error
	ByPeer bool    // the peer ended it
	Cause  error   // may be nil; an *xmpp.Error if the peer, or a server for it, refused
}

func (e *EndedError) Error() string {
	who := "this side"
	if e.ByPeer {
		who = "the peer"
	}
	switch {
	case e.Reason != nil && e.Cause != nil:
		return fmt.Sprintf("jingle: session ended by %s: %.64q: %v", who, e.Reason.Condition, e.Cause)
	case e.Reason != nil:
		return fmt.Sprintf("jingle: session ended by %s: %.64q", who, e.Reason.Condition)
	}
	return fmt.Sprintf("jingle: session ended: %v", e.Cause)
}

func (e *EndedError) Unwrap() error { return e.Cause }

// jingleError returns a stanza error with a Jingle-specific condition (XEP-0166, Error Handling), in the namespace
// that belongs to the session's.
func jingleError(ns, typ, condition, app string) *xmpp.Error {
	space := NSErrors
	if ns == NS0 {
		space = NSErrors0
	}
	return &xmpp.Error{Type: typ, Condition: condition, App: xmpp.NewElement(space, app)}
}

func errUnknownSession(ns string) *xmpp.Error {
	return jingleError(ns, xmpp.Cancel, xmpp.ItemNotFound, "unknown-session")
}

func errOutOfOrder(ns string) *xmpp.Error {
	return jingleError(ns, xmpp.Wait, xmpp.UnexpectedRequest, "out-of-order")
}

func errTieBreak(ns string) *xmpp.Error {
	return jingleError(ns, xmpp.Cancel, xmpp.Conflict, "tie-break")
}

func errUnsupportedInfo(ns string) *xmpp.Error {
	return jingleError(ns, xmpp.Modify, xmpp.FeatureNotImplemented, "unsupported-info")
}

// isGone reports whether an error answer means that nobody is there, or nobody that knows
// the session, rather than that one request was refused.
func isGone(err error) bool {
	var xe *xmpp.Error
	if !errors.As(err, &xe) {
		return true // no answer at all
	}
	switch xe.Condition {
	case xmpp.ItemNotFound, xmpp.ServiceUnavailable, xmpp.RecipientUnavailable,
		xmpp.RemoteServerNotFound, xmpp.RemoteServerTimeout, "gone":
		return true
	}
	return false
}
