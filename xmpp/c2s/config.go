package c2s

import (
	"context"
	"crypto/x509"
	"fmt"
	"log/slog"
	"net"
	"time"

	"golang.org/x/net/idna"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
)

// Mode says how a connection is encrypted.
type Mode int

const (
	Auto      Mode = iota // what the server's SRV records say; where there are none, both are tried
	DirectTLS             // TLS from the first byte (XEP-0368)
	StartTLS              // TLS asked for in the stream (RFC 6120 §5)
)

// Resolver looks up SRV records. [net.DefaultResolver] is one.
type Resolver interface {
	LookupSRV(ctx context.Context, service, proto, name string) (cname string, addrs []*net.SRV, err error)
}

// Dialer connects to a host name or address and port. A [net.Dialer] is one.
type Dialer interface {
	DialContext(ctx context.Context, network, addr string) (net.Conn, error)
}

// Config says whose link it is, and how the server is found. JID and Password are needed; other zero fields
// mean the defaults.
type Config struct {
	JID jid.JID // the account; a resource is ignored, since a random one is bound

	// Password is asked at each login, so that one that was changed in its file counts.
	Password func() (string, error)

	Server string         // "host:port" in place of the SRV records; the certificate is the domain's all the same
	Roots  *x509.CertPool // whom to trust with the server's name; the system's roots if nil
	Mode   Mode

	ConnectTimeout time.Duration // of one TCP connection; default 15 s
	StepTimeout    time.Duration // of each step after it: TLS, a stream header, an authentication, binding; default 30 s
	Limits         xmpp.Limits

	Resolver Resolver
	Dialer   Dialer
	Log      *slog.Logger     // silence if nil
	Now      func() time.Time // for the validity of certificates; default time.Now
	Built    time.Time        // a clock before it is not set; default the day this was written
}

// writtenOn is before every build: a clock that is behind it is wrong.
var writtenOn = time.Date(2025, time.January, 1, 0, 0, 0, 0, time.UTC)

func (c Config) withDefaults() (Config, error) {
	if c.JID.Localpart() == "" || c.Password == nil {
		return c, fmt.Errorf("c2s: an account is a JID like box@home.example, and its password")
	}
	c.JID = c.JID.Bare()
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = 15 * time.Second
	}
	if c.StepTimeout <= 0 {
		c.StepTimeout = 30 * time.Second
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Dialer == nil {
		c.Dialer = &net.Dialer{KeepAlive: 30 * time.Second}
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Built.IsZero() {
		c.Built = writtenOn
	}
	return c, nil
}

// host is the account's domain as DNS and certificates write it.
func (c Config) host() (string, error) {
	ascii, err := idna.Lookup.ToASCII(c.JID.Domainpart())
	if err != nil {
		return "", fmt.Errorf("c2s: domain %q: %w", c.JID.Domainpart(), err)
	}
	return ascii, nil
}
