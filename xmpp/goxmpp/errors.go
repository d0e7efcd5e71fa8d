package goxmpp

import (
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
)

// StreamError is a stream error of the server (RFC 6120 §4.9), of which the library keeps only the text.
type StreamError struct{ Text string }

// Error quotes the text, since it is the server's.
func (e *StreamError) Error() string {
	if e.Text == "" {
		return "the server ended the stream with an error that it does not explain"
	}
	return fmt.Sprintf("the server ended the stream: %.200q", e.Text)
}

// Is makes it an [xmpp.ErrConflict] if the text is what servers say of one.
func (e *StreamError) Is(target error) bool {
	text := strings.ToLower(e.Text)
	return target == xmpp.ErrConflict && (strings.Contains(text, "conflict") || strings.Contains(text, "replaced by new connection"))
}

// What the library says, since it has no errors to compare with.
const (
	saysStreamEnd   = "server closed stream"
	saysStreamError = "stream error: "
	saysAuthFailure = "auth failure: "
	saysUnexpected  = "unexpected XMPP message "
	saysStartTLS    = "starttls handshake: "
	saysCertificate = "failed to verify certificate: " // crypto/tls, in the text of a StartTLS error
)

// explain makes a person's words of why a login failed. cause is why the relay had ended by itself, or nil.
func (d *dialer) explain(c account.Candidate, err, cause error) error {
	text := err.Error()
	certificate := certificateError(d.server, err)
	var syntax *xml.SyntaxError
	switch {
	case errors.Is(cause, context.DeadlineExceeded):
		err = &xmpp.UnreachableError{Addr: c.Addr, Err: errors.New("no login within the time for it")}
		return fmt.Errorf("goxmpp: logging in: %w: %w", err, cause)
	case errors.Is(cause, context.Canceled):
		err = cause
	case certificate != nil:
		err = certificate
	case strings.HasPrefix(text, saysAuthFailure):
		err = authError(strings.TrimPrefix(text, saysAuthFailure))
	case strings.HasPrefix(text, saysStreamError):
		err = &StreamError{Text: strings.TrimPrefix(text, saysStreamError)}
	case strings.HasPrefix(text, "no viable authentication method"):
		err = errors.New("the server offers no SCRAM, which is what proves it and the password to each other: ask whoever runs it")
	case errors.As(err, &syntax), errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		err = fmt.Errorf("no XMPP server answers there, or it hung up: %w", err)
	}
	return fmt.Errorf("goxmpp: logging in at %s: %w", c.Addr, err)
}

// authError reads what the library tells of a SASL failure: the text, or else the condition (RFC 6120 §6.5).
func authError(said string) error {
	if strings.Contains(said, "temporary-auth-failure") {
		return fmt.Errorf("the server cannot check passwords now: %.200q: try again later", said)
	}
	return fmt.Errorf("%w: %.200q", xmpp.ErrNotAuthorized, said)
}

// certificateError finds out whether err is about the server's certificate.
func certificateError(server account.Server, err error) *xmpp.CertificateError {
	if text := err.Error(); strings.HasPrefix(text, saysStartTLS) { // where its type is lost
		if _, reason, found := strings.Cut(text, saysCertificate); found {
			return server.Refused(errors.New(reason))
		}
	}
	return server.CertificateError(err)
}

// oneStanza reports whether err is about the content of one stanza: the library has read it whole, and reads on. After
// any other error it must not be asked again, since it may hold its lock for ever.
func oneStanza(err error) bool {
	var mismatch xml.UnmarshalError
	text := err.Error()
	switch {
	case err == io.EOF: // of an empty item; the stream's own end is no bare io.EOF, since its root element is open
		return true
	case errors.As(err, &mismatch): // of a payload that it looks into; what it decodes a stanza into matches anything
		return true
	case strings.HasPrefix(text, saysUnexpected): // at the top level
		return true
	}
	return text == "no avatar metadata items available" || text == "no avatar data items available"
}

// vanished says that the connection ended without the end of the stream.
func vanished(err error) error {
	return fmt.Errorf("goxmpp: reading: %w: %w", io.ErrUnexpectedEOF, err)
}

// ending makes of the library's last error what [xmpp.Link] promises. cause is why the relay ended, or nil.
func ending(err, cause error) error {
	var syntax *xml.SyntaxError
	text := err.Error()
	switch {
	case text == saysStreamEnd:
		return io.EOF
	case strings.HasPrefix(text, saysStreamError):
		return &StreamError{Text: strings.TrimPrefix(text, saysStreamError)}
	case errors.Is(err, xmpp.ErrTooBig):
		return fmt.Errorf("goxmpp: reading: %w", err)
	case cause != nil:
		return vanished(cause)
	case errors.As(err, &syntax) && syntax.Msg != "unexpected EOF":
		return fmt.Errorf("goxmpp: reading: %w: %.200q", xmpp.ErrNotWellFormed, syntax.Msg)
	}
	return vanished(err)
}
