package goxmpp

import (
	"crypto/x509"
	"log/slog"
	"net"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
)

// Mode says how TLS starts.
type Mode = account.Mode

// The modes. Auto takes what SRV records say; for a [Config].Server it tries both, in the order that its port suggests.
const (
	Auto      = account.Auto
	DirectTLS = account.DirectTLS // XEP-0368
	StartTLS  = account.StartTLS  // RFC 6120 §5
)

// Config says where to log in, and as whom. Only JID and Password are needed.
type Config struct {
	JID      jid.JID                // the account; a resource is ignored, since each login has a random one
	Password func() (string, error) // asked once; a function, so that no log can print it

	Server string         // host:port, in place of SRV records
	Mode   Mode           // how TLS starts
	Roots  *x509.CertPool // nil: the system's
	Built  time.Time      // when the program was built: a clock that is behind it is not set; default the day this was written

	Log    *slog.Logger     // nil: silence
	Now    func() time.Time // nil: time.Now
	Limits xmpp.Limits      // of what is received; zero fields mean the defaults

	// Resolver looks SRV records up; nil means the system's.
	Resolver Resolver
	// Dialer reaches the server; nil means directly. It is the only way to a proxy: HTTP_PROXY is not followed.
	Dialer Dialer

	LoginTimeout time.Duration // of each try to log in; default 45 s: at 1 kB/s it takes 18
	WriteTimeout time.Duration // for which the server may take none of our bytes; default 30 s
	PingInterval time.Duration // of silence after which the server is asked for a sign of life; default 60 s
	PingTimeout  time.Duration // for that sign; default 30 s
}

// Resolver looks up SRV records. [net.DefaultResolver] is one.
type Resolver = account.Resolver

// Dialer connects to a host name or address and port. A [net.Dialer] is one.
type Dialer = account.Dialer

// withDefaults fills in what is missing.
func (c Config) withDefaults() Config {
	if c.Built.IsZero() {
		c.Built = account.WrittenOn
	}
	if c.Log == nil {
		c.Log = slog.New(slog.DiscardHandler)
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Resolver == nil {
		c.Resolver = net.DefaultResolver
	}
	if c.Dialer == nil {
		// A peer that is gone without a word is found by TCP where no ping is due yet.
		c.Dialer = &net.Dialer{KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: 30 * time.Second, Interval: 10 * time.Second, Count: 3}}
	}
	for _, d := range []struct {
		value *time.Duration
		usual time.Duration
	}{
		{&c.LoginTimeout, 45 * time.Second}, {&c.WriteTimeout, 30 * time.Second},
		{&c.PingInterval, time.Minute}, {&c.PingTimeout, 30 * time.Second},
	} {
		if *d.value <= 0 {
			*d.value = d.usual
		}
	}
	return c
}
