package c2s_test

import (
	"bytes"
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/linktest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var servers = map[string]func(testing.TB, testpeer.XMPPOptions) *testpeer.XMPPServer{
	"Prosody": testpeer.Prosody, "Ejabberd": testpeer.Ejabberd,
}

// mended makes Prosody resume streams whose connection broke within a stanza (docs/design/009-stream-resumption.md). ejabberd does.
func mended(t *testing.T) testpeer.XMPPOptions {
	t.Helper()
	modules, err := filepath.Abs("../../contrib/prosody")
	if err != nil {
		t.Fatal(err)
	}
	return testpeer.XMPPOptions{ModulePath: modules, Modules: []string{"resume_parser"}}
}

// account makes an account on a real server, and the configuration that logs in to it.
func account(t *testing.T, s *testpeer.XMPPServer, user string) c2s.Config {
	t.Helper()
	addr, password := s.Account(t, user)
	return c2s.Config{
		JID: jid.MustParse(addr), Password: func() (string, error) { return password, nil },
		Server: s.Addr, Roots: s.Roots, Spread: time.Second, // a test has no fleet
	}
}

func dial(t *testing.T, cfg c2s.Config) *c2s.Link {
	t.Helper()
	l, err := c2s.Dial(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

func TestRealServers(t *testing.T) {
	t.Parallel()
	for name, start := range servers {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := start(t, mended(t))
			alice, bob := account(t, s, "alice"), account(t, s, "bob")
			caps := linktest.Caps{Server: true, NoEnd: true, Resumes: true,
				Reshuffles: name == "Ejabberd"} // docs/design/009-stream-resumption.md
			t.Run("Link", func(t *testing.T) { runSuite(t, s, alice, bob, caps) })
			t.Run("LinkThroughCuts", func(t *testing.T) { runSuiteThroughCuts(t, s, alice, bob, caps) })
			t.Run("Ways", func(t *testing.T) { testWays(t, s, alice) })
			t.Run("WrongPassword", func(t *testing.T) { testWrongPassword(t, alice) })
			t.Run("Passwords", func(t *testing.T) { testPasswords(t, s, alice) })
			t.Run("ChannelBinding", func(t *testing.T) { testChannelBinding(t, alice) })
			t.Run("Token", func(t *testing.T) { testToken(t, alice) })
			t.Run("Flights", func(t *testing.T) { testFlights(t, s, alice) })
			t.Run("Resource", func(t *testing.T) { testResource(t, alice) })
			t.Run("Supervisor", func(t *testing.T) { testSupervisor(t, s, alice) })
		})
	}
}

func runSuite(t *testing.T, s *testpeer.XMPPServer, alice, bob c2s.Config, caps linktest.Caps) {
	linktest.Run(t, func(t *testing.T) linktest.Ends {
		relay := testpeer.NewRelay(t, s.Addr)
		relayed := alice
		relayed.Server = relay.Addr
		return linktest.Ends{A: dial(t, relayed), B: dial(t, bob), Cut: relay.Cut}
	}, caps)
}

// The contract holds while the connection is lost again and again under both links.
func runSuiteThroughCuts(t *testing.T, s *testpeer.XMPPServer, alice, bob c2s.Config, caps linktest.Caps) {
	linktest.Run(t, func(t *testing.T) linktest.Ends {
		relay := testpeer.NewRelay(t, s.DirectAddr)
		steady := testpeer.NewSteady(relay)
		enter := func(cfg c2s.Config) *c2s.Link {
			cfg.Server, cfg.Mode, cfg.Jitter = relay.Addr, c2s.DirectTLS, func() float64 { return 0.99 }
			l, back := dial(t, cfg), steady.Client()
			l.Notify(func(c c2s.Change) {
				if !c.Resuming {
					back()
				}
			})
			return l
		}
		a, b := enter(alice), enter(bob)
		ctx, stop := context.WithCancel(t.Context())
		stopped := make(chan struct{})
		go func() {
			defer close(stopped)
			for range 3 { // a link on which nothing moves between two of them looks for the next connection later each time
				if pause(ctx, 300*time.Millisecond) {
					steady.Cut(ctx)
				}
			}
		}()
		t.Cleanup(func() { stop(); <-stopped })
		return linktest.Ends{A: a, B: b, Cut: func() {
			within, done := context.WithTimeout(ctx, 20*time.Second)
			defer done()
			steady.Cut(within)
		}}
	}, caps)
}

// pause reports whether it was as long as d, and ctx did not end before.
func pause(ctx context.Context, d time.Duration) bool {
	select {
	case <-ctx.Done():
		return false
	case <-time.After(d):
		return true
	}
}

// Direct TLS and STARTTLS, said or found out.
func testWays(t *testing.T, s *testpeer.XMPPServer, cfg c2s.Config) {
	for _, c := range []struct {
		mode   c2s.Mode
		server string
	}{
		{c2s.Auto, s.Addr}, {c2s.Auto, s.DirectAddr}, {c2s.StartTLS, s.Addr}, {c2s.DirectTLS, s.DirectAddr},
	} {
		cfg.Mode, cfg.Server = c.mode, c.server
		start := time.Now()
		dial(t, cfg)
		if d := time.Since(start); d > 5*time.Second {
			t.Errorf("%+v took %v", c, d)
		}
	}
	for _, c := range []struct {
		mode   c2s.Mode
		server string
	}{{c2s.DirectTLS, s.Addr}, {c2s.StartTLS, s.DirectAddr}} {
		cfg.Mode, cfg.Server, cfg.StepTimeout = c.mode, c.server, 3*time.Second
		if _, err := c2s.Dial(t.Context(), cfg); err == nil {
			t.Errorf("%+v: logged in the wrong way", c)
		}
	}
}

func testWrongPassword(t *testing.T, cfg c2s.Config) {
	cfg.Password = func() (string, error) { return "wrong", nil }
	_, err := c2s.Dial(t.Context(), cfg)
	wantIs(t, err, xmpp.ErrNotAuthorized)
	cfg.JID = jid.MustParse("nobody@" + cfg.JID.Domainpart())
	_, err = c2s.Dial(t.Context(), cfg)
	wantIs(t, err, xmpp.ErrNotAuthorized)
}

// SASLprep makes one of what keyboards write differently (RFC 4013): the servers agree with us.
func testPasswords(t *testing.T, s *testpeer.XMPPServer, cfg c2s.Config) {
	s.Register(t, "umlaut", "gr\u00fc\u00dfe \u2460")
	cfg.JID = jid.MustParse("umlaut@" + s.Domain)
	for _, typed := range []string{"gr\u00fc\u00dfe \u2460", "gru\u0308\u00dfe\u00a01", "gr\u00ad\u00fc\u00dfe 1"} {
		cfg.Password = func() (string, error) { return typed, nil }
		dial(t, cfg)
	}
}

// SCRAM-SHA-256-PLUS over TLS 1.3 is what is used where the server has it, and it verifies.
func testChannelBinding(t *testing.T, cfg c2s.Config) {
	var logged bytes.Buffer
	cfg.Log = slog.New(slog.NewTextHandler(&logged, &slog.HandlerOptions{Level: slog.LevelDebug}))
	dial(t, cfg)
	if !strings.Contains(logged.String(), `mechanism=SCRAM-SHA-256-PLUS tls="TLS 1.3"`) || strings.Contains(logged.String(), "without") {
		t.Errorf("logged in otherwise: %s", &logged)
	}
	password, _ := cfg.Password()
	if strings.Contains(logged.String(), password) {
		t.Error("the password is in the log")
	}
}

// The resource is random at each bind, so that two links of one account live side by side.
func testResource(t *testing.T, cfg c2s.Config) {
	a, b := dial(t, cfg), dial(t, cfg)
	if a.LocalAddr().Equal(b.LocalAddr()) || a.LocalAddr().Resourcepart() == "" {
		t.Errorf("bound %v and %v", a.LocalAddr(), b.LocalAddr())
	}
}

// A connection that is cut, and one that goes silent: the stream goes on. A server that restarts: the account is back.
func testSupervisor(t *testing.T, s *testpeer.XMPPServer, cfg c2s.Config) {
	for _, c := range []struct {
		name      string
		take      func(*testpeer.Relay)
		give      func(*testpeer.Relay)
		wantError error
	}{
		{"cut", (*testpeer.Relay).Cut, func(*testpeer.Relay) {}, io.ErrUnexpectedEOF},
		{"silent", (*testpeer.Relay).Freeze, (*testpeer.Relay).Thaw, c2s.ErrDead},
		{"restarted", func(*testpeer.Relay) { s.Stop(t) }, func(*testpeer.Relay) { s.Start(t) }, nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			relay := testpeer.NewRelay(t, s.Addr)
			cfg := cfg
			cfg.Server, cfg.Mode, cfg.StepTimeout = relay.Addr, c2s.StartTLS, 2*time.Second
			cfg.Idle, cfg.AckTimeout = 200*time.Millisecond, time.Second
			states := supervise(t, cfg)
			before := waitFor(t, states, c2s.Online)
			c.take(relay)
			st := waitFor(t, states, c2s.Resuming)
			if st.Err == nil || c.wantError != nil && !errors.Is(st.Err, c.wantError) {
				t.Errorf("ended with %v, want %v", st.Err, c.wantError)
			}
			c.give(relay)
			after := waitFor(t, states, c2s.Online)
			if resumed := after.Addr.Equal(before.Addr); resumed != (c.wantError != nil) {
				t.Errorf("was %v, is %v", before.Addr, after.Addr)
			}
		})
	}
}

// supervise keeps an account online until the test ends, and hands out what is reported.
func supervise(t *testing.T, cfg c2s.Config) <-chan c2s.State {
	states := make(chan c2s.State, 100)
	ctx, cancel := context.WithCancel(t.Context())
	done := make(chan struct{})
	keep := c2s.Supervisor{
		Dial:         func(ctx context.Context) (xmpp.Link, error) { return dialLink(ctx, cfg) },
		Report:       func(s c2s.State) { states <- s },
		PingInterval: 200 * time.Millisecond, PingTimeout: 2 * time.Second,
		Jitter: func() float64 { return 0.99 },
	}
	go func() {
		defer close(done)
		_ = keep.Run(ctx)
	}()
	t.Cleanup(func() { cancel(); <-done })
	return states
}

func dialLink(ctx context.Context, cfg c2s.Config) (xmpp.Link, error) {
	l, err := c2s.Dial(ctx, cfg)
	if err != nil {
		return nil, err
	}
	return l, nil
}

func waitFor(t *testing.T, states <-chan c2s.State, p c2s.Phase) c2s.State {
	t.Helper()
	deadline := time.After(40 * time.Second)
	for {
		select {
		case st := <-states:
			if st.Phase == p {
				return st
			}
		case <-deadline:
			t.Fatalf("never %v", p)
		}
	}
}

// The certificate is held to the account's domain, whatever the server is called, and there is no way around it.
func TestCertificate(t *testing.T) {
	authority := testpeer.NewAuthority(t)
	now := time.Now()
	for name, c := range map[string]struct {
		cert  *testpeer.Certificate
		clock time.Time
		unset bool
	}{
		"another name":         {authority.Issue(t, testpeer.Validity{}, "other.test", "localhost"), now, false},
		"another CA":           {testpeer.NewAuthority(t).Issue(t, testpeer.Validity{}, "home.test"), now, false},
		"expired":              {authority.Issue(t, testpeer.Validity{From: now.Add(-2 * time.Hour), Until: now.Add(-time.Hour)}, "home.test"), now, false},
		"the clock is in 1970": {authority.Issue(t, testpeer.Validity{}, "home.test"), time.Unix(100, 0), true},
	} {
		t.Run(name, func(t *testing.T) {
			s := fakeServer(t, c.cert.TLS, func(*fake) { t.Error("the client went on") })
			cfg := fakeConfig(s, authority.Pool)
			cfg.Now = func() time.Time { return c.clock }
			_, err := c2s.Dial(t.Context(), cfg)
			certificate := wantAs[*xmpp.CertificateError](t, err)
			if certificate != nil && (certificate.Host != "home.test" || certificate.ClockUnset != c.unset) {
				t.Errorf("%+v", certificate)
			}
		})
	}
}

// TLS 1.3 tickets are kept from one connection to the next. The certificate is held to whom we trust now, not then: crypto/tls
// sees to that.
func TestTLSSessions(t *testing.T) {
	h := newHost(t)
	again := make(chan bool, 10)
	addr := fakeServer(t, h.cert, func(f *fake) {
		again <- f.conn.(*tls.Conn).ConnectionState().DidResume
		f.login()
		f.idle()
	})
	cache := tls.NewLRUClientSessionCache(1)
	with := func(cfg *c2s.Config) { cfg.TLSSessions = cache }
	for _, want := range []bool{false, true} {
		if _, err := h.dialTo(t, addr, with); err != nil {
			t.Fatal(err)
		}
		if got := <-again; got != want {
			t.Errorf("resumed the TLS session: %v, want %v", got, want)
		}
	}
	_, err := h.dialTo(t, addr, with, func(cfg *c2s.Config) { cfg.Roots = testpeer.NewAuthority(t).Pool })
	wantAs[*xmpp.CertificateError](t, err)
}
