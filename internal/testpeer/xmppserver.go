package testpeer

import (
	"cmp"
	"crypto/rand"
	"crypto/x509"
	"os"
	"strings"
	"testing"
	"text/template"
	"time"
)

// XMPPOptions says what an XMPP server of the test is like. The zero value will do.
type XMPPOptions struct {
	Domain string // home.test if empty

	// Authority signs the server's certificate; one of its own if nil. Servers that are to federate share one.
	Authority *Authority
	// Certificate is what the server shows; one for Domain if nil.
	Certificate *Certificate

	// DNS makes a Prosody federate: it finds others, and is found, by this name server. Servers that share a
	// DNS must share an Authority, and be within .example: resolvers answer for .test by themselves (RFC 6761).
	DNS *DNS

	// StockLimits slows clients down as Debian's configuration does: 10 kB/s on Prosody, 3 kB/s on ejabberd.
	StockLimits bool

	// Plain makes a Prosody take clients without TLS, too: for a relay that stands in its place and has its key.
	Plain bool

	// Modules are loaded by a Prosody besides its own; it looks for them in ModulePath too.
	Modules    []string
	Without    []string // of its own, or that it loads by default
	ModulePath string
	// Settings are further lines of a Prosody's configuration. It takes no option twice.
	Settings string
	// Hibernation is how long a stream is kept that lost its connection; five minutes if zero. Whole seconds.
	Hibernation time.Duration
	// AckTimeout is how long a client of an ejabberd may take to acknowledge what it was sent; half a minute if zero. Whole seconds.
	AckTimeout time.Duration
	// Debug makes a Prosody log all that it can.
	Debug bool
}

// XMPPServer is a Prosody or an ejabberd on loopback. It ends with the test.
type XMPPServer struct {
	Domain     string
	Addr       string // host:port of clients with STARTTLS
	DirectAddr string // host:port of clients with direct TLS (XEP-0368)
	CAFile     string // the CA that signed the server's certificate, PEM
	Roots      *x509.CertPool

	federationAddr string // host:port of other servers, where it federates
	backend        backend
	process        *Process // nil while it is stopped
}

// At is the server as clients with STARTTLS meet it at another address: behind a relay.
func (s *XMPPServer) At(addr string) *XMPPServer {
	near := *s
	near.Addr = addr
	return &near
}

// backend is what the two servers differ in.
type backend interface {
	// start runs the server and returns when it takes clients. An error may be a port that somebody else took.
	start(t testing.TB) (*Process, error)
	register(t testing.TB, s *XMPPServer, user, password string)
	setPassword(t testing.TB, s *XMPPServer, user, password string)
	revokeTokens(s *XMPPServer, user string) error
}

// startGrace is what a server may take to end in order, and to save what it holds.
const startGrace = 10 * time.Second

// Account makes an account and returns its bare JID and password.
func (s *XMPPServer) Account(t testing.TB, user string) (jid, password string) {
	t.Helper()
	password = rand.Text()
	s.Register(t, user, password)
	return user + "@" + s.Domain, password
}

// Register makes an account with the password given.
func (s *XMPPServer) Register(t testing.TB, user, password string) {
	t.Helper()
	s.backend.register(t, s, user, password)
}

// Output is what the server has printed since it was started last. It must run.
func (s *XMPPServer) Output() string { return s.process.Output() }

// Stop ends the server in order. It does nothing if the server does not run.
func (s *XMPPServer) Stop(t testing.TB) {
	t.Helper()
	if s.process != nil {
		s.process.stop(startGrace)
		s.process = nil
	}
}

// Kill ends the server with no word to anybody.
func (s *XMPPServer) Kill(t testing.TB) {
	t.Helper()
	if s.process != nil {
		s.process.stop(0)
		s.process = nil
	}
}

// Start runs the server again, on the same ports and with all that it had stored.
func (s *XMPPServer) Start(t testing.TB) {
	t.Helper()
	if s.process != nil {
		return
	}
	p, err := s.backend.start(t)
	if err != nil {
		t.Fatal(err)
	}
	s.process = p
}

// newXMPPServer starts what makeBackend makes, which is asked again if the ports that it chose were taken meanwhile.
func newXMPPServer(t testing.TB, opts XMPPOptions, makeBackend func(s *XMPPServer, cert *Certificate) backend) *XMPPServer {
	t.Helper()
	domain := orDefault(opts.Domain, "home.test")
	authority := opts.Authority
	if authority == nil {
		authority = NewAuthority(t)
	}
	cert := opts.Certificate
	if cert == nil {
		cert = authority.Issue(t, Validity{}, domain)
	}
	s := &XMPPServer{Domain: domain, CAFile: authority.CAFile, Roots: authority.Pool}
	var err error
	for range 5 {
		direct, plain, federation := FreePort(t), FreePort(t), FreePort(t)
		s.Addr, s.DirectAddr, s.federationAddr = loopbackAddr(plain), loopbackAddr(direct), loopbackAddr(federation)
		s.backend = makeBackend(s, cert)
		if s.process, err = s.backend.start(t); err == nil {
			if opts.DNS != nil {
				opts.DNS.SetSRV("_xmpp-server._tcp."+s.Domain, s.federationAddr)
			}
			return s
		}
	}
	t.Fatal(err)
	return nil
}

// seconds are those of a duration, or of def if there is none.
func seconds(d, def time.Duration) int { return int(cmp.Or(d, def).Seconds()) }

// What servers do with clients that have gone, where a test does not say.
const (
	hibernation = 5 * time.Minute
	ackTimeout  = 30 * time.Second
)

// writeConfig fills in a server's configuration.
func writeConfig(t testing.TB, path, text string, data any) {
	t.Helper()
	var out strings.Builder
	if err := template.Must(template.New(path).Parse(text)).Execute(&out, data); err != nil {
		t.Fatalf("testpeer: writing %s: %v", path, err)
	}
	if err := os.WriteFile(path, []byte(out.String()), 0o600); err != nil {
		t.Fatalf("testpeer: writing %s: %v", path, err)
	}
}
