package goxmpp

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/internal/account"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestDial(t *testing.T) {
	for name, starttls := range map[string]bool{"DirectTLS": false, "StartTLS": true} {
		t.Run(name, func(t *testing.T) {
			s := newServer(t, &server{starttls: starttls})
			for _, mode := range []Mode{Auto, map[bool]Mode{false: DirectTLS, true: StartTLS}[starttls]} {
				cfg := s.config("romeo")
				cfg.Mode = mode
				link, c := connect(t, s, cfg)
				if got := link.LocalAddr().String(); got != c.jid || !strings.HasPrefix(got, "romeo@home.test/") {
					t.Errorf("mode %v: bound %q, the server says %q", mode, got, c.jid)
				}
			}
		})
	}
}

// Two clients of one resource would throw each other out.
func TestResourceIsRandom(t *testing.T) {
	s := newServer(t, &server{})
	a, _ := connect(t, s, s.config("romeo"))
	b, _ := connect(t, s, s.config("romeo"))
	if a.LocalAddr().Resourcepart() == b.LocalAddr().Resourcepart() {
		t.Errorf("twice the resource %q", a.LocalAddr().Resourcepart())
	}
	d, err := newDialer(s.config("romeo"))
	if err != nil {
		t.Fatal(err)
	}
	one, two := d.options("", account.Candidate{}, "", nil), d.options("", account.Candidate{}, "", nil)
	if one.UserAgentID == two.UserAgentID || len(one.UserAgentID) != 36 {
		t.Errorf("with Bind 2 the resource is made of %q, then of %q", one.UserAgentID, two.UserAgentID)
	}
}

// The library waits for ever for a server that says nothing, and cannot be told to stop.
func TestSilentServer(t *testing.T) {
	for _, direct := range []bool{true, false} {
		t.Run(fmt.Sprint("direct ", direct), func(t *testing.T) {
			before := sockets(t)
			l := listen(t)
			cfg := Config{JID: jid.MustParse("romeo@home.test"), Password: password("x"), Server: l.Addr().String(), Mode: StartTLS}
			if direct {
				cfg.Mode = DirectTLS
			}
			t.Run("Timeout", func(t *testing.T) {
				cfg.LoginTimeout = 50 * time.Millisecond
				_, err := Dial(t.Context(), cfg)
				var unreachable *xmpp.UnreachableError
				if !errors.As(err, &unreachable) || !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
			})
			t.Run("Cancel", func(t *testing.T) {
				cfg.LoginTimeout = 0
				ctx, cancel := context.WithTimeoutCause(t.Context(), 50*time.Millisecond, nil)
				defer cancel()
				start := time.Now()
				if _, err := Dial(ctx, cfg); !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("got %v", err)
				}
				if d := time.Since(start); d > 5*time.Second {
					t.Errorf("took %v", d)
				}
			})
			_ = l.Close()
			noneLeft(t, before)
		})
	}
}

func TestNobodyListens(t *testing.T) {
	l := listen(t)
	addr := l.Addr().String()
	_ = l.Close()
	_, err := Dial(t.Context(), Config{JID: jid.MustParse("romeo@home.test"), Password: password("x"), Server: addr})
	var unreachable *xmpp.UnreachableError
	if !errors.As(err, &unreachable) || unreachable.Addr != addr {
		t.Errorf("got %v", err)
	}
}

// A port of something else gives an error, not a wait.
func TestNotAnXMPPServer(t *testing.T) {
	l := listen(t)
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			_, _ = io.WriteString(conn, "SSH-2.0-OpenSSH_9.2\r\n")
			_ = conn.Close()
		}
	}()
	_, err := Dial(t.Context(), Config{JID: jid.MustParse("romeo@home.test"), Password: password("x"), Server: l.Addr().String()})
	if err == nil {
		t.Fatal("logged in")
	}
}

// The library leaves the socket of a failed login open, and that of a link too unless its Close is given 10 s.
func TestNoSocketIsLeft(t *testing.T) {
	s := newServer(t, &server{})
	wrong := s.config("romeo")
	wrong.Password = password("wrong")
	before := sockets(t)
	for range 5 {
		if _, err := Dial(t.Context(), wrong); !errors.Is(err, xmpp.ErrNotAuthorized) {
			t.Fatalf("got %v", err)
		}
		link, c := connect(t, s, s.config("romeo"))
		_ = c.raw.Close()
		_ = link.Close()
	}
	noneLeft(t, before)
}

func TestCertificate(t *testing.T) {
	ca := testpeer.NewAuthority(t)
	good := ca.Issue(t, testpeer.Validity{}, testDomain)
	other := ca.Issue(t, testpeer.Validity{}, "evil.test")
	for name, c := range map[string]struct {
		shown  tls.Certificate
		change func(*Config)
		clock  bool
	}{
		"AnotherName":  {shown: other.TLS},
		"UnknownRoots": {shown: good.TLS, change: func(c *Config) { c.Roots = x509.NewCertPool() }},
		"ClockIn1970": {shown: good.TLS, clock: true, change: func(c *Config) {
			c.Now = func() time.Time { return time.Unix(1000, 0) }
		}},
	} {
		for _, starttls := range []bool{false, true} {
			t.Run(fmt.Sprintf("%s/starttls %v", name, starttls), func(t *testing.T) {
				s := newServer(t, &server{starttls: starttls, ca: ca, tls: &tls.Config{Certificates: []tls.Certificate{c.shown}}})
				cfg := s.config("romeo")
				if starttls {
					cfg.Mode = StartTLS
				}
				if c.change != nil {
					c.change(&cfg)
				}
				_, err := Dial(t.Context(), cfg)
				var bad *xmpp.CertificateError
				if !errors.As(err, &bad) {
					t.Fatalf("got %v, want a certificate error", err)
				}
				if bad.Host != testDomain || bad.ClockUnset != c.clock || bad.Err == nil {
					t.Errorf("got %+v", bad)
				}
				if len(s.tried) > 0 {
					t.Error("it went on to the login")
				}
			})
		}
	}
}

func TestWrongPassword(t *testing.T) {
	s := newServer(t, &server{})
	cfg := s.config("romeo")
	cfg.Password = password("secret-and-wrong")
	_, err := Dial(t.Context(), cfg)
	if !errors.Is(err, xmpp.ErrNotAuthorized) {
		t.Errorf("got %v", err)
	}
	if strings.Contains(fmt.Sprintf("%v %+v", err, cfg), "secret") {
		t.Errorf("the password shows in %v %+v", err, cfg)
	}
	s.failure = "<temporary-auth-failure/>"
	if _, err := Dial(t.Context(), cfg); err == nil || errors.Is(err, xmpp.ErrNotAuthorized) {
		t.Errorf("a server that cannot check now: %v", err)
	}
}

// ejabberd 23.01 offers a channel binding that does not verify.
func TestChannelBindingThatDoesNotVerify(t *testing.T) {
	s := newServer(t, &server{refusePlus: true, mechanisms: []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}, bindings: []string{"tls-exporter"}})
	connect(t, s, s.config("romeo"))
	if want := []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}; !slices.Equal(s.tried, want) {
		t.Errorf("tried %q, want %q", s.tried, want)
	}
}

// A wrong password is tried at most twice.
func TestWrongPasswordWithChannelBinding(t *testing.T) {
	s := newServer(t, &server{mechanisms: []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}, bindings: []string{"tls-exporter"}})
	cfg := s.config("romeo")
	cfg.Password = password("wrong")
	if _, err := Dial(t.Context(), cfg); !errors.Is(err, xmpp.ErrNotAuthorized) {
		t.Errorf("got %v", err)
	}
	if len(s.tried) != 2 {
		t.Errorf("tried %q", s.tried)
	}
}

// The library panics over a certificate whose signature it knows no hash for, if the binding is tls-server-end-point.
func TestLibraryPanicsOverEd25519(t *testing.T) {
	pub, key, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{testDomain}, NotAfter: time.Now().Add(time.Hour),
		IsCA: true, BasicConstraintsValid: true}
	der, err := x509.CreateCertificate(rand.Reader, template, template, pub, key)
	if err != nil {
		t.Fatal(err)
	}
	leaf, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	s := newServer(t, &server{
		tls:        &tls.Config{Certificates: []tls.Certificate{{Certificate: [][]byte{der}, PrivateKey: key}}},
		mechanisms: []string{"SCRAM-SHA-256-PLUS", "SCRAM-SHA-256"}, bindings: []string{"tls-server-end-point"},
	})
	cfg := s.config("romeo")
	cfg.Roots = x509.NewCertPool()
	cfg.Roots.AddCert(leaf)
	connect(t, s, cfg)
	if want := []string{"SCRAM-SHA-256"}; !slices.Equal(s.tried, want) {
		t.Errorf("tried %q, want %q", s.tried, want)
	}
}

// PLAIN would give the password to whoever shows a certificate for the domain.
func TestNoPlain(t *testing.T) {
	s := newServer(t, &server{mechanisms: []string{"PLAIN", "X-OAUTH2"}})
	_, err := Dial(t.Context(), s.config("romeo"))
	if err == nil || !strings.Contains(err.Error(), "no SCRAM") || len(s.tried) > 0 {
		t.Errorf("got %v, tried %q", err, s.tried)
	}
}

// The library follows a redirection past our relay, without TLS and without time limits.
func TestRedirectionIsNotFollowed(t *testing.T) {
	trap := listen(t)
	s := newServer(t, &server{atStart: "<stream:error><see-other-host xmlns='urn:ietf:params:xml:ns:xmpp-streams'>" +
		trap.Addr().String() + "</see-other-host></stream:error>"})
	if _, err := Dial(t.Context(), s.config("romeo")); !errors.Is(err, errRedirected) {
		t.Errorf("got %v", err)
	}
	untouched(t, trap)
}

func TestEndlessLogin(t *testing.T) {
	s := newServer(t, &server{atStart: "<stream:features>" + strings.Repeat("<a/>", loginBytes)})
	if _, err := Dial(t.Context(), s.config("romeo")); !errors.Is(err, xmpp.ErrTooBig) {
		t.Errorf("got %v", err)
	}
}

func TestProxyOfTheEnvironmentIsNotFollowed(t *testing.T) {
	s := newServer(t, &server{})
	for _, scheme := range []string{"http://", "socks5://"} {
		for _, name := range []string{"HTTP_PROXY", "http_proxy"} {
			t.Run(scheme+name, func(t *testing.T) {
				trap := listen(t)
				t.Setenv(name, scheme+trap.Addr().String())
				t.Setenv("NO_PROXY", "")
				connect(t, s, s.config("romeo"))
				untouched(t, trap)
				if got := os.Getenv(name); got != scheme+trap.Addr().String() {
					t.Errorf("%s is now %q", name, got)
				}
			})
		}
	}
}

// A proxy is what Config.Dial makes of it.
func TestConfiguredDialer(t *testing.T) {
	s := newServer(t, &server{})
	cfg := s.config("romeo")
	cfg.Server = "unreachable.invalid:5223"
	var asked string
	cfg.Dialer = dialerFunc(func(ctx context.Context, network, addr string) (net.Conn, error) {
		asked = addr
		return (&net.Dialer{}).DialContext(ctx, network, s.addr)
	})
	connect(t, s, cfg)
	if asked != cfg.Server {
		t.Errorf("asked for %q", asked)
	}
}

func TestAccountsThatTheLibraryCannotLogIn(t *testing.T) {
	for _, address := range []string{"home.test", "a,b@home.test", "a=b@home.test", "user@[::1]"} {
		_, err := Dial(t.Context(), Config{JID: jid.MustParse(address), Password: password("x"), Server: "127.0.0.1:1"})
		if err == nil || !strings.Contains(err.Error(), "c2s") {
			t.Errorf("%s: %v", address, err)
		}
	}
}

type dialerFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func (f dialerFunc) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f(ctx, network, addr)
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// untouched fails the test if somebody has connected to l.
func untouched(t *testing.T, l net.Listener) {
	t.Helper()
	_ = l.(*net.TCPListener).SetDeadline(time.Now().Add(20 * time.Millisecond))
	if conn, err := l.Accept(); err == nil {
		_ = conn.Close()
		t.Error("somebody connected where nobody should")
	}
}

// sockets counts this process's sockets.
func sockets(t *testing.T) int {
	t.Helper()
	entries, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for _, e := range entries {
		if target, _ := os.Readlink("/proc/self/fd/" + e.Name()); strings.HasPrefix(target, "socket:") {
			n++
		}
	}
	return n
}

// noneLeft waits for what the collector closes, which it has been asked to.
func noneLeft(t *testing.T, before int) {
	t.Helper()
	for end := time.Now().Add(2 * time.Second); ; time.Sleep(5 * time.Millisecond) {
		after := sockets(t)
		if after <= before {
			return
		}
		if time.Now().After(end) {
			t.Errorf("%d sockets, before it were %d", after, before)
			return
		}
	}
}
