package c2s_test

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"mellium.im/xmpp/jid"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
	"xtls-agent/xmpp/stream"
)

// host is a scripted server for home.test with a certificate that verifies.
type host struct {
	authority *testpeer.Authority
	cert      tls.Certificate
}

func newHost(t *testing.T) host {
	a := testpeer.NewAuthority(t)
	return host{a, a.Issue(t, testpeer.Validity{}, "home.test").TLS}
}

// dial logs in to a server that does script after TLS.
func (h host) dial(t *testing.T, script func(*fake), change ...func(*c2s.Config)) (*c2s.Link, error) {
	t.Helper()
	return h.dialTo(t, fakeServer(t, h.cert, script), change...)
}

func (h host) dialTo(t *testing.T, addr string, change ...func(*c2s.Config)) (*c2s.Link, error) {
	t.Helper()
	cfg := fakeConfig(addr, h.authority.Pool)
	for _, c := range change {
		c(&cfg)
	}
	l, err := c2s.Dial(t.Context(), cfg)
	if err == nil {
		t.Cleanup(func() { _ = l.Close() })
	}
	return l, err
}

func quick(cfg *c2s.Config) { cfg.StepTimeout = 200 * time.Millisecond }

// Before TLS goes out the request for it, and nothing that tells whose account it is.
func TestNothingBeforeTLS(t *testing.T) {
	h := newHost(t)
	heard := make(chan string, 1)
	addr := rawServer(t, h.cert, func(f *fake) {
		f.raw("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='home.test'>" +
			"<stream:features><starttls xmlns='" + nsTLS + "'/><mechanisms xmlns='" + nsSASL + "'><mechanism>SCRAM-SHA-256</mechanism></mechanisms></stream:features>")
		said, _ := io.ReadAll(f.conn)
		heard <- string(said)
	})
	if _, err := h.dialTo(t, addr, quick); err == nil {
		t.Error("logged in without TLS")
	}
	said := <-heard
	if !strings.HasSuffix(said, "<starttls xmlns='"+nsTLS+"'/>") || strings.Count(said, "<") != 3 || strings.Contains(said, "box") {
		t.Errorf("before TLS the client said %q", said)
	}
}

func TestNoTLS(t *testing.T) {
	h := newHost(t)
	for name, script := range map[string]func(*fake){
		"not offered": func(f *fake) { f.header(mechanisms("SCRAM-SHA-256")); f.read(); t.Error("the client went on") },
		"refused": func(f *fake) {
			f.header(xmpp.NewElement(nsTLS, "starttls"))
			f.read()
			f.write(xmpp.NewElement(nsTLS, "failure"))
		},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.dialTo(t, rawServer(t, h.cert, script))
			wantIs(t, err, c2s.ErrNoTLS)
		})
	}
}

// RFC 6120 §5.4.3.3: what comes with the consent to TLS was not encrypted, and must not be read as if it had been.
func TestInjectedPlaintext(t *testing.T) {
	h := newHost(t)
	_, err := h.dialTo(t, rawServer(t, h.cert, func(f *fake) {
		f.header(xmpp.NewElement(nsTLS, "starttls"))
		f.read()
		f.raw("<proceed xmlns='" + nsTLS + "'/><stream:features/>")
		f.startTLS()
	}))
	wantText(t, err, "interfering")
}

// What comes with the success was not sent in the new stream (RFC 6120 §6.3.2).
func TestInjectedBeforeRestart(t *testing.T) {
	h := newHost(t)
	_, err := h.dial(t, func(f *fake) {
		f.header(mechanisms("SCRAM-SHA-256"))
		f.conn = &appendConn{f.conn, "<success", "<message/>"}
		f.framer = stream.NewFramer(f.conn, xmpp.Limits{}, 0)
		f.scram(f.readAuth(), "secret")
		f.bind()
	})
	wantText(t, err, "before the restart")
}

// appendConn appends a text to the write that begins with another.
type appendConn struct {
	net.Conn
	after, text string
}

func (c *appendConn) Write(p []byte) (int, error) {
	if strings.HasPrefix(string(p), c.after) {
		_, err := io.WriteString(c.Conn, string(p)+c.text)
		return len(p), err
	}
	return c.Conn.Write(p)
}

// readAuth reads an element with a decoder that has no root yet.
func (f *fake) readAuth() *xmpp.Element {
	var text []byte
	buf := make([]byte, 4096)
	for {
		n, err := f.conn.Read(buf)
		f.must(err)
		text = append(text, buf[:n]...)
		if el, err := xmpp.ParseElement(text, xmpp.Limits{}); err == nil {
			// What follows is read by the framer, which wants a root.
			f.framer = stream.NewFramer(&rootConn{Conn: f.conn, root: strings.NewReader("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams'>")}, xmpp.Limits{}, 0)
			_, err := f.framer.ReadHeader()
			f.must(err)
			return el
		}
	}
}

// rootConn reads a root element before what the connection has.
type rootConn struct {
	net.Conn
	root *strings.Reader
}

func (c *rootConn) Read(p []byte) (int, error) {
	if c.root.Len() > 0 {
		return c.root.Read(p)
	}
	return c.Conn.Read(p)
}

// A password that was refused in one place is not tried at the next: servers count.
func TestRefusalIsFinal(t *testing.T) {
	h := newHost(t)
	var tries atomic.Int32
	_, err := h.dial(t, func(f *fake) {
		tries.Add(1)
		f.header(mechanisms("SCRAM-SHA-256"))
		f.read()
		f.refuse("not-authorized")
	}, func(cfg *c2s.Config) {
		there := cfg.Server
		cfg.Server, cfg.Mode, cfg.Resolver = "", c2s.Auto, twoServers{}
		cfg.Dialer = dialerFunc(func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, there)
		})
	})
	wantIs(t, err, xmpp.ErrNotAuthorized)
	if tries.Load() != 1 {
		t.Errorf("tried %d times", tries.Load())
	}
}

type twoServers struct{}

func (twoServers) LookupSRV(_ context.Context, service, _, _ string) (string, []*net.SRV, error) {
	if service != "xmpp-client" {
		return "", nil, nil
	}
	return "", []*net.SRV{{Target: "a.", Port: 1}, {Target: "b.", Port: 2}}, nil
}

// RFC 6120 §7: the answer must be to our question, and give a full address.
func TestBadBinds(t *testing.T) {
	h := newHost(t)
	for name, answer := range map[string]string{
		"another id": "<iq type='result' id='x'><bind xmlns='" + nsBind + "'><jid>box@home.test/1</jid></bind></iq>",
		"a request":  "<iq type='set' id='ID'><bind xmlns='" + nsBind + "'><jid>box@home.test/1</jid></bind></iq>",
		"bare":       "<iq type='result' id='ID'><bind xmlns='" + nsBind + "'><jid>box@home.test</jid></bind></iq>",
		"a domain":   "<iq type='result' id='ID'><bind xmlns='" + nsBind + "'><jid>home.test/1</jid></bind></iq>",
		"nothing":    "<iq type='result' id='ID'/>",
		"conflict":   "<iq type='error' id='ID'><error type='cancel'><conflict xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></iq>",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := h.dial(t, func(f *fake) {
				f.header(mechanisms("SCRAM-SHA-256"))
				f.scram(f.read(), "secret")
				f.must(f.framer.Restart())
				f.header(xmpp.NewElement(nsBind, "bind"))
				f.raw(strings.Replace(answer, "ID", f.read().Attr("id"), 1))
				_, _ = io.Copy(io.Discard, f.conn)
			})
			wantText(t, err, "binding a resource")
		})
	}
}

// Every step has a time limit, and heeds its context.
func TestSilentServers(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	starttls := func(f *fake) { f.header(xmpp.NewElement(nsTLS, "starttls")); f.read() }
	secure := func(f *fake) { starttls(f); f.write(xmpp.NewElement(nsTLS, "proceed")); f.startTLS() }
	challenged := func(f *fake) {
		secure(f)
		f.header(mechanisms("SCRAM-SHA-256"))
		f.challenge("r=" + f.nonce(f.read()) + "x,s=c2FsdA==,i=4096")
		f.read()
	}
	for name, script := range map[string]func(*fake){
		"at once": func(*fake) {},
		"no features": func(f *fake) {
			f.raw("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0'>")
		},
		"after starttls":    starttls,
		"before TLS":        func(f *fake) { starttls(f); f.write(xmpp.NewElement(nsTLS, "proceed")) },
		"after TLS":         secure,
		"after auth":        func(f *fake) { secure(f); f.header(mechanisms("SCRAM-SHA-256")); f.read() },
		"after response":    challenged,
		"in the new stream": func(f *fake) { secure(f); f.header(mechanisms("SCRAM-SHA-256")); f.scram(f.read(), "secret") },
		"instead of bind": func(f *fake) {
			secure(f)
			f.header(mechanisms("SCRAM-SHA-256"))
			f.scram(f.read(), "secret")
			f.must(f.framer.Restart())
			f.header(xmpp.NewElement(nsBind, "bind"))
		},
		"one byte for ever": func(f *fake) {
			for {
				f.raw(" ")
				time.Sleep(10 * time.Millisecond)
			}
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			silent := func(f *fake) {
				script(f)
				_, _ = io.Copy(io.Discard, f.conn)
			}
			addr := rawServer(t, h.cert, silent)
			start := time.Now()
			limit := func(cfg *c2s.Config) { cfg.StepTimeout = 500 * time.Millisecond }
			if _, err := h.dialTo(t, addr, limit); err == nil || time.Since(start) > 5*time.Second {
				t.Errorf("%v after %v", err, time.Since(start))
			} else if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v, want a time limit", err)
			}
			ctx, cancel := context.WithTimeout(t.Context(), 300*time.Millisecond)
			defer cancel()
			start = time.Now()
			if _, err := c2s.Dial(ctx, fakeConfig(addr, h.authority.Pool)); !errors.Is(err, context.DeadlineExceeded) || time.Since(start) > 3*time.Second {
				t.Errorf("with a context: %v after %v", err, time.Since(start))
			}
		})
	}
}

// established logs in and then runs script.
func (h host) established(t *testing.T, script func(*fake)) *c2s.Link {
	t.Helper()
	l, err := h.dial(t, func(f *fake) { f.login(); script(f); _, _ = io.Copy(io.Discard, f.conn) })
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// What is wrong with one stanza, or not known, does not end the link.
func TestServerPassesOnWhatOthersWrite(t *testing.T) {
	h := newHost(t)
	l := h.established(t, func(f *fake) {
		f.raw("<iq type='get'/><message from='@@@'/><r xmlns='urn:xmpp:sm:3'/><stream:features/> <message id='good'/></stream:stream>")
	})
	st, err := l.ReadStanza()
	if err != nil || st.ID != "good" {
		t.Fatalf("%v, %v", st, err)
	}
	// RFC 6120 §8.1.2.1
	if !st.From.Equal(jid.MustParse("box@home.test")) || !st.To.Equal(l.LocalAddr()) {
		t.Errorf("from %q to %q", st.From, st.To)
	}
	if _, err := l.ReadStanza(); err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
}

func TestConflict(t *testing.T) {
	h := newHost(t)
	l := h.established(t, func(f *fake) {
		f.raw("<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error></stream:stream>")
	})
	_, err := l.ReadStanza()
	wantIs(t, err, xmpp.ErrConflict)
}

// A server may say another domain than the account's only by mistake.
func TestHeaderFromAnotherServer(t *testing.T) {
	h := newHost(t)
	_, err := h.dial(t, func(f *fake) {
		f.raw("<stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' version='1.0' from='other.test'><stream:features/>")
		_, _ = io.Copy(io.Discard, f.conn)
	})
	wantAs[*stream.HeaderError](t, err)
}

func TestUnreachable(t *testing.T) {
	h := newHost(t)
	l, err := net.Listen("tcp4", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	addr := l.Addr().String()
	_ = l.Close()
	_, err = h.dialTo(t, addr)
	if u := wantAs[*xmpp.UnreachableError](t, err); u != nil && u.Addr != addr {
		t.Error(u)
	}
}

// A connection that nobody takes ends after its time limit.
func TestConnectTimeout(t *testing.T) {
	var dials atomic.Int32
	cfg := fakeConfig("192.0.2.1:5222", nil)
	cfg.ConnectTimeout = 50 * time.Millisecond
	cfg.Dialer = dialerFunc(func(ctx context.Context, _, _ string) (net.Conn, error) {
		dials.Add(1)
		<-ctx.Done()
		return nil, ctx.Err()
	})
	_, err := c2s.Dial(t.Context(), cfg)
	wantAs[*xmpp.UnreachableError](t, err)
	if dials.Load() != 1 {
		t.Errorf("%d dials", dials.Load())
	}
}

type dialerFunc func(ctx context.Context, network, addr string) (net.Conn, error)

func (f dialerFunc) DialContext(ctx context.Context, network, addr string) (net.Conn, error) {
	return f(ctx, network, addr)
}

func TestBadConfigurations(t *testing.T) {
	for _, change := range []func(*c2s.Config){
		func(c *c2s.Config) { c.JID = jid.JID{} },
		func(c *c2s.Config) { c.JID = jid.MustParse("home.test") },
		func(c *c2s.Config) { c.Password = nil },
		func(c *c2s.Config) { c.Server = "home.test" },
		func(c *c2s.Config) { c.Server = ":5222" },
	} {
		cfg := fakeConfig("127.0.0.1:1", nil)
		change(&cfg)
		cfg.Dialer = dialerFunc(func(context.Context, string, string) (net.Conn, error) {
			t.Error("dialled")
			return nil, io.EOF
		})
		if _, err := c2s.Dial(t.Context(), cfg); err == nil {
			t.Errorf("%+v was taken", cfg)
		}
	}
}
