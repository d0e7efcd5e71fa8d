// Package account is what the two links to a server, xmpp/c2s and xmpp/goxmpp, do alike until the account is
// logged in: finding the server of an account in the DNS (RFC 6120 §3.2, XEP-0368), holding it to the account's domain,
// bringing the password into the form that SCRAM hashes, and bounding what a server may ask of it there. It connects to nothing
// and knows no stanza.
package account

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"net"
	"time"

	"xtls-agent/xmpp"
)

// WrittenOn is before every build: a clock that is behind it is wrong.
var WrittenOn = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)

// Mode says how a connection is encrypted.
type Mode int

// The modes. Auto takes what the server's SRV records say; for a place without any, both ways are tried.
const (
	Auto      Mode = iota
	DirectTLS      // TLS from the first byte (XEP-0368)
	StartTLS       // TLS asked for in the stream (RFC 6120 §5)
)

// Resolver looks up SRV records. [net.DefaultResolver] is one.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, addrs []*net.SRV, err error)
}

// Dialer connects to a host name or address and port. A [net.Dialer] is one.
type Dialer interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}

// Server is what its certificate is checked against. All fields but Roots are needed.
type Server struct {
	Host  string           // the account's domain in ASCII, whatever the server is called
	Roots *x509.CertPool   // whom to trust with that name; the system's roots if nil
	Now   func() time.Time // for the validity of the certificate
	Built time.Time        // a clock before it is not set
}

// TLS returns the configuration of a handshake with the server. direct is TLS from the first byte.
func (s Server) TLS(direct bool) *tls.Config {
	config := &tls.Config{ServerName: s.Host, RootCAs: s.Roots, MinVersion: tls.VersionTLS12, Time: s.Now, DynamicRecordSizingDisabled: true}
	if direct {
		config.NextProtos = []string{"xmpp-client"} // XEP-0368 §3
	}
	return config
}

// CertificateError makes an [xmpp.CertificateError] of a failed handshake's error. It is nil where that is about something
// else than the certificate.
func (s Server) CertificateError(err error) *xmpp.CertificateError {
	var bad *tls.CertificateVerificationError
	if !errors.As(err, &bad) {
		return nil
	}
	return s.Refused(bad.Err)
}

// Refused is the error for a certificate that does not verify for the reason given.
func (s Server) Refused(reason error) *xmpp.CertificateError {
	return &xmpp.CertificateError{Host: s.Host, Err: reason, ClockUnset: s.Now().Before(s.Built)}
}
