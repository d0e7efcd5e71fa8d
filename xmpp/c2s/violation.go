package c2s

import (
	"errors"
	"fmt"

	"xtls-agent/xmpp/stream"
)

// unexpectedError is about what a server may not say, or not now.
type unexpectedError struct{ error }

func (e *unexpectedError) Unwrap() error { return e.error }

func unexpected(format string, args ...any) error {
	return &unexpectedError{fmt.Errorf(format, args...)}
}

// isUnexpected reports whether err is about what the peer said, other than its judgement: that it is out of place, no XML, beyond our
// limits, or for somebody else.
func isUnexpected(err error) bool {
	var said *unexpectedError
	var header *stream.HeaderError
	var ended *stream.Error
	return errors.As(err, &said) || errors.As(err, &header) || errors.As(err, &ended) && ended.Sent
}

// A violationError is an unexpectedError of the account's own server: within TLS, where nobody else speaks. What it was asked for is not
// asked for again: the next login brings neither a token nor a former stream.
type violationError struct{ error }

func (e *violationError) Unwrap() error { return e.error }

func isViolation(err error) bool {
	var v *violationError
	return errors.As(err, &v)
}

// leave ends a stream within TLS that comes to nothing because of err, with a word to the server why if that is its own doing.
func (n *negotiation) leave(err error) error {
	if !isUnexpected(err) {
		n.framer.End()
		return err
	}
	refused := &stream.Error{Condition: stream.UndefinedCondition, Sent: true, Err: err}
	_ = errors.As(err, &refused) // it may have been said already
	n.framer.Abort(refused)
	n.keys.forget()
	if errors.Is(err, errUnproven) {
		return err // about the token alone: the password will tell whether it is the server that has the stream
	}
	return &violationError{err}
}
