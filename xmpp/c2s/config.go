package c2s

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"net"
	"time"

	"golang.org/x/net/idna"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
)

// Mode says how a connection is encrypted.
type Mode = account.Mode

const (
	Auto      = account.Auto      // what the server's SRV records say; where there are none, both are tried
	DirectTLS = account.DirectTLS // TLS from the first byte (XEP-0368)
	StartTLS  = account.StartTLS  // TLS asked for in the stream (RFC 6120 §5)
)

// Resolver looks up SRV records. [net.DefaultResolver] is one.
type Resolver = account.Resolver

// Dialer connects to a host name or address and port. A [net.Dialer] is one.
type Dialer = account.Dialer

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
	StepTimeout    time.Duration // of each step after it: TLS, a stream header, an authentication, binding; default 45 s
	Limits         xmpp.Limits

	Tokens      TokenStore             // nil: a token lasts as long as the link
	TLSSessions tls.ClientSessionCache // nil: tickets last as long as the link. It is one account's

	// Of a stream that the server manages (XEP-0198).
	Unacknowledged int           // bytes that may be written and not acknowledged; default 512 KiB
	AckTimeout     time.Duration // for the answer to a request for an acknowledgement; default 10 s, more behind bytes of our own
	Idle           time.Duration // of silence after which one is asked for; default 1 min
	Spread         time.Duration // within which it comes back after the server has gone, at any moment by chance; default 30 s
	Network        *Network      // says when the network has changed; nil: nobody does

	Resolver Resolver
	Dialer   Dialer
	Log      *slog.Logger     // silence if nil
	Jitter   func() float64   // in [0, 1); for the time between tries to resume
	Now      func() time.Time // for the validity of certificates; default time.Now
	Built    time.Time        // a clock before it is not set; default the day this was written
}

func (c Config) withDefaults() (Config, error) {
	if c.JID.Localpart() == "" || c.Password == nil {
		return c, fmt.Errorf("c2s: an account is a JID like box@home.example, and its password")
	}
	c.JID = c.JID.Bare()
	if c.ConnectTimeout <= 0 {
		c.ConnectTimeout = 15 * time.Second
	}
	if c.StepTimeout <= 0 {
		c.StepTimeout = 45 * time.Second
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Dialer == nil {
		c.Dialer = newDialer()
	}
	if c.TLSSessions == nil {
		c.TLSSessions = tls.NewLRUClientSessionCache(1)
	}
	if c.Network == nil {
		c.Network = new(Network)
	}
	if c.Jitter == nil {
		c.Jitter = rand.Float64
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Built.IsZero() {
		c.Built = account.WrittenOn
	}
	return c.withManaged(), nil
}

func (c Config) withManaged() Config {
	if c.Unacknowledged <= 0 {
		c.Unacknowledged = 512 << 10
	}
	if c.AckTimeout <= 0 {
		c.AckTimeout = 10 * time.Second
	}
	if c.Idle <= 0 {
		c.Idle = time.Minute
	}
	if c.Spread <= 0 {
		c.Spread = 30 * time.Second
	}
	return c
}

// server is what the server's certificate is held to.
func (c Config) server() (account.Server, error) {
	host, err := c.host()
	return account.Server{Host: host, Roots: c.Roots, Now: c.Now, Built: c.Built}, err
}

// host is the account's domain as DNS and certificates write it.
func (c Config) host() (string, error) {
	ascii, err := idna.Lookup.ToASCII(c.JID.Domainpart())
	if err != nil {
		return "", fmt.Errorf("c2s: domain %q: %w", c.JID.Domainpart(), err)
	}
	return ascii, nil
}
