package pairing

import (
	"context"
	"crypto/x509"
	"encoding/base64"
	"errors"
	"fmt"
	"strings"

	"xtls-agent/trust"
	"xtls-agent/xmpp"
)

// The namespaces of XEP-0189: the one that jingle-xtls prints, and the one of version 0.9.
const (
	NSPubkeysTmp = "urn:xmpp:tmp:pubkey"
	NSPubkeys    = "urn:xmpp:pubkey:0"
)

// nsJingleErrors is where XEP-0166 §15.4 defines security-required.
const nsJingleErrors = "urn:xmpp:jingle:errors:1"

// ErrNoCertificate says that a peer's answer holds no certificate that can be used.
var ErrNoCertificate = errors.New("pairing: the other side sent no usable certificate")

// Pubkeys returns the answer to a request for public keys: the own certificate
// (jingle-xtls, Exchanging Certificates).
func Pubkeys(ns string, der []byte) *xmpp.Element {
	name := xmpp.NewText(ns, "name", trust.FingerprintOf(der).String())
	return xmpp.NewElement(ns, "pubkeys", xmpp.NewElement(ns, "keyinfo", name, certElement(ns, der)))
}

// Keyinfo returns the certificate as XEP-0189 §2 has it, for a PubSub node.
func Keyinfo(der []byte) *xmpp.Element {
	return xmpp.NewElement(NSPubkeys, "keyinfo", certElement(NSPubkeys, der))
}

func certElement(ns string, der []byte) *xmpp.Element {
	return xmpp.NewText(ns, "x509cert", base64.StdEncoding.EncodeToString(der))
}

// ParsePubkeys reads the peer's own certificate from its answer. It is the first of the
// answer: a user certificate that may follow is not pinned. A name that does not
// match its certificate is refused.
func ParsePubkeys(el *xmpp.Element) (*x509.Certificate, error) {
	if !el.Is(NSPubkeysTmp, "pubkeys") && !el.Is(NSPubkeys, "pubkeys") {
		return nil, ErrNoCertificate
	}
	info := el.Child(el.Name.Space, "keyinfo")
	if info == nil {
		return nil, ErrNoCertificate
	}
	text := strings.Join(strings.Fields(info.Child(el.Name.Space, "x509cert").Text()), "")
	der, err := base64.StdEncoding.DecodeString(text)
	if err != nil || len(der) == 0 {
		return nil, ErrNoCertificate
	}
	cert, err := trust.CheckCertificate(der)
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrNoCertificate, err)
	}
	if name := info.Child(el.Name.Space, "name"); name != nil && !nameMatches(name, der) {
		return nil, fmt.Errorf("%w: its name does not match it", ErrNoCertificate)
	}
	return cert, nil
}

// nameMatches holds a <name/> against the certificate: it is the fingerprint, SHA-256 or SHA-1.
func nameMatches(name *xmpp.Element, der []byte) bool {
	algo := name.Attr("algo")
	text := strings.Join(strings.Fields(name.Text()), "")
	announced, err := trust.ParseAnnounced(algo, text)
	return err == nil && announced.MatchesDER(der)
}

// AnswerPubkeys mounts the answer to requests for the own certificate, in both namespaces.
// It belongs on end-to-end encrypted sessions only.
func AnswerPubkeys(s *xmpp.Session, der []byte) {
	onPubkeys(s, func(_ context.Context, r *xmpp.Request) { r.Reply(Pubkeys(r.Payload[0].Name.Space, der)) })
}

// RefusePubkeys mounts the refusal that belongs on every other session: certificates must not be
// asked for over a stream that is not secured end to end (jingle-xtls, Exchanging Certificates).
func RefusePubkeys(s *xmpp.Session) {
	onPubkeys(s, func(_ context.Context, r *xmpp.Request) {
		r.Fail(&xmpp.Error{
			Type: xmpp.Cancel, Condition: xmpp.NotAcceptable,
			App: xmpp.NewElement(nsJingleErrors, "security-required"),
		})
	})
}

func onPubkeys(s *xmpp.Session, h xmpp.Handler) {
	s.HandleIQ(xmpp.Get, NSPubkeysTmp, "pubkeys", h)
	s.HandleIQ(xmpp.Get, NSPubkeys, "pubkeys", h)
}

// ItemID returns the PubSub item id under which a certificate is published: its fingerprint.
func ItemID(der []byte) string { return trust.FingerprintOf(der).String() }
