package main

import (
	"context"
	"errors"
	"io"
	"syscall/js"

	"xtls-agent/owner"
	"xtls-agent/xmpp"
)

// errClosed: the owner or the session that is asked has been closed.
var errClosed = errors.New("closed")

// usageError says how the caller got the interface wrong.
type usageError string

func (e usageError) Error() string { return string(e) }

// code is the word by which JavaScript tells errors apart; the message is for people. The first of the list
// that fits counts: what wraps others comes before them.
func code(err error) string {
	for _, c := range []struct {
		err  error
		code string
	}{
		{owner.ErrOutcomeUnknown, "outcome-unknown"},
		{owner.ErrUnconfirmed, "unconfirmed"},
		{context.Canceled, "aborted"},
		{owner.ErrNotPaired, "not-paired"},
		{owner.ErrUnreachable, "unreachable"},
		{owner.ErrNotADevice, "not-a-device"},
		{owner.ErrNotPairing, "not-pairing"},
		{owner.ErrLocked, "locked"},
		{owner.ErrTooMany, "too-many"},
		{owner.ErrNotKnown, "not-known"},
		{owner.ErrWrongPIN, "wrong-pin"},
		{owner.ErrNotTyped, "not-typed"},
		{owner.ErrCannotShow, "cannot-show"},
		{owner.ErrNotAuthentic, "not-authentic"},
		{owner.ErrRefused, "refused"},
		{owner.ErrPeerEnded, "peer-ended"},
		{context.DeadlineExceeded, "timeout"},
		{xmpp.ErrTimeout, "timeout"},
		{errClosed, "closed"},
		{xmpp.ErrClosed, "closed"},
		{io.EOF, "closed"},
		{io.ErrUnexpectedEOF, "closed"},
	} {
		if errors.Is(err, c.err) {
			return c.code
		}
	}
	var usage usageError
	if errors.As(err, &usage) {
		return "usage"
	}
	return "failed"
}

// errorValue is err as an Error of JavaScript, with its code, and as cause what JavaScript itself threw.
func errorValue(err error) js.Value {
	v := js.Global().Get("Error").New(err.Error())
	v.Set("code", code(err))
	var t thrown
	if errors.As(err, &t) {
		v.Set("cause", t.value)
	}
	return v
}
