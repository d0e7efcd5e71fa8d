package xtls

import (
	"crypto/sha256"
	"crypto/tls"
	"fmt"

	"mellium.im/xmpp/jid"
)

// x509Check is what must hold for the peer's certificate: all of it is known before the
// handshake starts, from the Jingle session and from the pins.
type x509Check struct {
	peer      jid.JID
	announced Fingerprint // the pin that the peer's announcement in this session means
	trust     Trust
	resume    *resumption // nil: every handshake is a full one
}

// x509Config returns the TLS configuration of method x509, for either role: TLS 1.3 only,
// both certificates, and every check in VerifyConnection, since the other hooks are skipped
// when a session is resumed. Validity dates and names in certificates do not count: pins do.
func x509Config(own tls.Certificate, check x509Check) *tls.Config {
	cfg := &tls.Config{
		MinVersion:         tls.VersionTLS13,
		MaxVersion:         tls.VersionTLS13,
		Certificates:       []tls.Certificate{own},
		ClientAuth:         tls.RequireAnyClientCert, // jingle-xtls, Basic Protocol: MUST send a CertificateRequest
		InsecureSkipVerify: true,                     // self-signed by design; verify below is stricter
		VerifyConnection:   check.verify,
	}
	check.resume.configure(cfg)
	return cfg
}

// verify holds the certificate of a finished handshake against what was announced and what is pinned. In a resumed one it is that of the
// session in which its key was proven, and all is asked again.
func (c x509Check) verify(cs tls.ConnectionState) error {
	if cs.Version != tls.VersionTLS13 {
		return fmt.Errorf("xtls: %w: not a TLS 1.3 handshake", ErrNotAuthentic)
	}
	if cs.DidResume && c.resume == nil {
		return fmt.Errorf("xtls: %w: nothing is resumed here", ErrNotAuthentic)
	}
	if len(cs.PeerCertificates) == 0 {
		return fmt.Errorf("xtls: %w: no certificate", ErrNotAuthentic)
	}
	shown := Fingerprint(sha256.Sum256(cs.PeerCertificates[0].Raw))
	if shown != c.announced {
		return fmt.Errorf("xtls: %w: its certificate is not the announced one", ErrNotAuthentic)
	}
	if !c.trust.Pinned(c.peer.Bare(), shown) {
		return fmt.Errorf("xtls: %w: its certificate is not pinned for %s", ErrNotAuthentic, c.peer.Bare())
	}
	if c.resume != nil {
		c.resume.verified(cs.DidResume)
	}
	return nil
}
