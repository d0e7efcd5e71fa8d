package stream

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"

	"xtls-agent/xmpp"
)

// The defined conditions of RFC 6120 §4.9.3 that are sent or told apart here.
const (
	BadFormat              = "bad-format"
	Conflict               = "conflict"
	ConnectionTimeout      = "connection-timeout"
	HostUnknown            = "host-unknown"
	InternalServerError    = "internal-server-error"
	InvalidFrom            = "invalid-from"
	InvalidNamespace       = "invalid-namespace"
	NotAuthorized          = "not-authorized"
	NotWellFormed          = "not-well-formed"
	PolicyViolation        = "policy-violation"
	Reset                  = "reset"
	SystemShutdown         = "system-shutdown"
	UndefinedCondition     = "undefined-condition"
	UnsupportedStanzaType  = "unsupported-stanza-type"
	UnsupportedVersion     = "unsupported-version"
	conditionTextMaxLength = 200
)

// ErrClosed is returned by what is asked of a stream after Close.
var ErrClosed = fmt.Errorf("stream: %w", net.ErrClosed)

// Error is a stream error (RFC 6120 §4.9): the end of the stream, and why.
type Error struct {
	Condition string // a defined condition, such as PolicyViolation
	Text      string // for people; may be empty
	Sent      bool   // sent by this side; else received from the peer
	Err       error  // what led to a sent one; may be nil

	App *xmpp.Element // application-specific condition of a sent one (§4.9.4); may be nil
}

// Error quotes the text, since it is the peer's, and says neither it nor the condition at length.
func (e *Error) Error() string {
	what := "the peer ended the stream"
	if e.Sent {
		what = "stream ended here"
	}
	what = fmt.Sprintf("%s: %.60s", what, e.Condition)
	if e.Text != "" {
		what = fmt.Sprintf("%s: %.*q", what, conditionTextMaxLength, e.Text)
	}
	if e.Err != nil {
		what += ": " + e.Err.Error()
	}
	return what
}

func (e *Error) Unwrap() error { return e.Err }

// Is makes a received conflict an [xmpp.ErrConflict].
func (e *Error) Is(target error) bool {
	return target == xmpp.ErrConflict && e.Condition == Conflict && !e.Sent
}

// parseError reads a <stream:error/>. What is missing or not a plain name becomes undefined-condition.
func parseError(el *xmpp.Element) *Error {
	e := &Error{Condition: UndefinedCondition}
	for _, c := range el.Children() {
		switch {
		case c.Is(xmpp.NSStreams, "text"):
			e.Text = c.Text()
		case c.Name.Space == xmpp.NSStreams:
			e.Condition = c.Name.Local
		}
	}
	return e
}

// appendXML appends the error as a peer expects it. The prefix is written out: some look for it literally
// (RFC 6120 §4.8.5).
func (e *Error) appendXML(dst []byte) []byte {
	dst = append(dst, "<stream:error>"...)
	dst = xmpp.NewElement(xmpp.NSStreams, e.Condition).AppendXML(dst, xmpp.NSClient)
	if e.Text != "" {
		dst = xmpp.NewText(xmpp.NSStreams, "text", e.Text).AppendXML(dst, xmpp.NSClient)
	}
	if e.App != nil {
		dst = e.App.AppendXML(dst, xmpp.NSClient)
	}
	return append(dst, "</stream:error>"...)
}

// refusal returns the stream error with which to answer input that a decoder refused, or nil if err is none of that.
func refusal(err error) *Error {
	switch {
	case errors.Is(err, xmpp.ErrTooBig):
		return &Error{Condition: PolicyViolation, Sent: true, Err: err}
	case errors.Is(err, xmpp.ErrNotWellFormed):
		return &Error{Condition: NotWellFormed, Sent: true, Err: err}
	}
	return nil
}

// vanished makes io.ErrUnexpectedEOF of whatever a connection says when the peer is gone. A time limit stays one.
func vanished(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) || errors.Is(err, io.ErrUnexpectedEOF) {
		return fmt.Errorf("stream: reading: %w", err)
	}
	return fmt.Errorf("stream: reading: %w: %w", io.ErrUnexpectedEOF, err)
}

// HeaderError says that a stream header is not the one that it must be: in an end-to-end stream it is
// what gives away a server that joined two parties who did not mean each other.
type HeaderError struct {
	Attr string // "from" or "to"
	Got  string // as the peer wrote it; empty if it is missing
	Want string // empty if any address would have done
}

func (e *HeaderError) Error() string {
	switch {
	case e.Got == "":
		return fmt.Sprintf("stream: header without %q", e.Attr)
	case e.Want == "":
		return fmt.Sprintf("stream: header with a bad address in %q: %.*q", e.Attr, conditionTextMaxLength, e.Got)
	}
	return fmt.Sprintf("stream: header has %q %.*q, not %q", e.Attr, conditionTextMaxLength, e.Got, e.Want)
}
