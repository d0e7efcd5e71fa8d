package xtls

import (
	"crypto/sha256"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"

	"xtls-agent/xmpp"
	"xtls-agent/xtls/jingle"
	"xtls-agent/xtls/jingle/ibb"
)

// contentName is what DESIGN calls the one content of a session.
const contentName = "xmlstream"

// nsPairing qualifies the elements of ours: one in a <decline/>, from which a client can tell its user what to do at the device,
// and one in the <security/> of an answer.
const nsPairing = "urn:xtls-agent:pairing:0"

// typedHere is the element that says, in an answer with method srp, that the PIN is typed at the responder: the initiator makes and shows
// it. Nothing proves the element. Who lies by it makes a person read a PIN that nobody asks for, or look for one that is not shown.
const typedHere = "typed"

// hints maps what a responder may say in a <decline/> to what the initiator makes of it.
var hints = map[string]error{
	"not-pairing": ErrNotPairing,
	"locked":      ErrLocked,
	"too-many":    ErrTooMany,
	"not-known":   ErrNotKnown,
}

// decline returns the reason that carries a hint.
func decline(cause error) jingle.Reason {
	for name, err := range hints {
		if errors.Is(cause, err) {
			return jingle.Reason{Condition: jingle.Decline, App: xmpp.NewElement(nsPairing, name)}
		}
	}
	return jingle.Reason{Condition: jingle.Decline}
}

// ended turns the end of a Jingle session, that offered method m, into what its initiator's user is told. Of
// pairing only a session to pair speaks: nobody can make "press the button" out of a call.
func ended(err error, m Method) error {
	var end *jingle.EndedError
	if !errors.As(err, &end) {
		return err
	}
	var refused *xmpp.Error
	switch {
	case errors.As(end.Cause, &refused) && refused.Condition == xmpp.ServiceUnavailable:
		return fmt.Errorf("xtls: %w: %w", ErrRefused, err)
	case end.Reason == nil || !end.ByPeer:
		return fmt.Errorf("xtls: %w", err)
	case end.Reason.App != nil && end.Reason.App.Name.Space == nsPairing && hints[end.Reason.App.Name.Local] != nil:
		hint := hints[end.Reason.App.Name.Local]
		if m == X509 {
			hint = ErrNotKnown
		} else if errors.Is(hint, ErrNotKnown) {
			hint = ErrRefused
		}
		return fmt.Errorf("xtls: %w", hint)
	case end.Reason.Condition == jingle.Decline:
		return fmt.Errorf("xtls: %w", ErrRefused)
	case end.Reason.Condition == jingle.SecurityError:
		return fmt.Errorf("xtls: %w", ErrNotAuthentic)
	}
	return fmt.Errorf("xtls: %w: %w", ErrPeerEnded, err)
}

func fingerprint(cert tls.Certificate) Fingerprint { return sha256.Sum256(cert.Certificate[0]) }

// security returns the <security/> that offers or accepts methods. The fingerprint belongs
// to x509; without it "certificate-based authentication is not possible".
func security(own *Fingerprint, methods ...Method) *jingle.Security {
	sec := new(jingle.Security)
	if own != nil {
		sec.Fingerprint = &jingle.Announced{Algo: jingle.SHA256, Hex: hex.EncodeToString(own[:])}
	}
	for _, m := range methods {
		sec.Methods = append(sec.Methods, string(m))
	}
	return sec
}

// unsupportedError says that a content is not an XML stream over IBB, as a Jingle condition.
type unsupportedError struct{ condition string }

func (e *unsupportedError) Error() string { return "xtls: " + e.condition }

// parseContent checks that a content is what this package can do, and returns its transport.
func parseContent(c jingle.Content) (ibb.Transport, error) {
	if !c.Description.Is(jingle.NSStream, "description") {
		return ibb.Transport{}, &unsupportedError{jingle.UnsupportedApplication}
	}
	if !c.Transport.Is(ibb.NSTransport, "transport") && !c.Transport.Is(ibb.NSTransport0, "transport") {
		return ibb.Transport{}, &unsupportedError{jingle.UnsupportedTransports}
	}
	tr, err := ibb.ParseTransport(c.Transport)
	if err != nil {
		return ibb.Transport{}, &unsupportedError{jingle.FailedTransport}
	}
	return tr, nil
}
