package c2s_test

import (
	"context"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"xtls-agent/internal/testpeer"
	"xtls-agent/xmpp"
	"xtls-agent/xmpp/c2s"
)

// located logs in to a stream whose location is said, and loses the connection; want is what happens on each that follows.
func (h host) located(t *testing.T, location string, change ...func(*c2s.Config)) {
	t.Helper()
	back := func(f *fake) {
		f.asked()
		f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='1'/><message id='back'/>")
		if st := f.stanza(); st.Attr("id") != "b" {
			t.Errorf("%v was sent again", st)
		}
	}
	lose := func(f *fake) {
		f.managed("id='stream1' resume='true' location='" + location + "'")
		f.stanza()
		f.stanza()
		f.raw("<a xmlns='" + nsSM + "' h='1'/>")
	}
	auto := func(cfg *c2s.Config) { cfg.Mode = c2s.Auto }
	l, err := h.dial(t, inTurn(lose, back, back, (*fake).idle), append([]func(*c2s.Config){auto, impatient}, change...)...)
	if err != nil {
		t.Fatal(err)
	}
	send(t, l, "a", "b")
	for range 2 { // the second time the stream is known to be elsewhere
		if st, err := l.ReadStanza(); err != nil || st.ID != "back" {
			t.Errorf("%v, %v", st, err)
		}
	}
	_ = l.Close()
}

// A location that points elsewhere is tried once, is held to the certificate of the account's domain and to TLS, and is no harm: the stream
// goes on where it was, with what was not acknowledged.
func TestLocation(t *testing.T) {
	t.Parallel()
	h, other := newHost(t), newHost(t)
	named := h.authority.Issue(t, testpeer.Validity{}, "elsewhere.test").TLS
	var elsewhere atomic.Int32
	tls := func(f *fake) { elsewhere.Add(1); f.startTLS(); t.Error("the client took another server for its own") }
	plain := func(f *fake) {
		elsewhere.Add(1)
		f.header(mechanisms("SCRAM-SHA-256", "PLAIN"))
		if said, _ := io.ReadAll(f.conn); len(said) > 0 {
			t.Errorf("without TLS the client says %q", said)
		}
	}
	untrusted, wrong, open := rawServer(t, other.cert, tls), rawServer(t, named, tls), rawServer(t, h.cert, plain)
	there := func(addr string) func(*c2s.Config) { // where elsewhere.test is
		return func(cfg *c2s.Config) {
			cfg.Dialer = dialerFunc(func(ctx context.Context, network, to string) (net.Conn, error) {
				return new(net.Dialer).DialContext(ctx, network, strings.Replace(to, "elsewhere.test:5223", addr, 1))
			})
		}
	}
	for name, c := range map[string]struct {
		location string
		tries    int32
		change   func(*c2s.Config)
	}{
		"of nobody we trust":           {untrusted, 2, nil}, // by STARTTLS, and from the first byte
		"with its own certificate":     {"elsewhere.test:5223", 2, there(wrong)},
		"without TLS":                  {open, 2, nil},
		"without TLS where it is said": {open, 1, func(cfg *c2s.Config) { cfg.Mode = c2s.StartTLS }},
		"nowhere":                      {"127.0.0.1:1", 0, nil},
		"no place":                     {"nobody@home.test/x", 0, nil},
		"endless":                      {strings.Repeat("x", 5000), 0, nil},
	} {
		t.Run(name, func(t *testing.T) {
			elsewhere.Store(0)
			if c.change == nil {
				c.change = func(*c2s.Config) {}
			}
			h.located(t, c.location, c.change)
			if elsewhere.Load() != c.tries {
				t.Errorf("%d tries elsewhere, not %d", elsewhere.Load(), c.tries)
			}
		})
	}
}

// farConn is a connection that seems to end at another address.
type farConn struct {
	net.Conn
	end net.Addr
}

func (c *farConn) RemoteAddr() net.Addr { return c.end }

// A server on the internet sends nobody into the network in which the device stands, be it by an address or by a name that leads there. One
// that is in there itself may.
func TestLocationStaysOutside(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	var said atomic.Int64
	within := rawServer(t, h.cert, func(f *fake) {
		n, _ := io.Copy(io.Discard, f.conn)
		said.Add(1 + n)
	})
	at := func(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 5222} }
	for name, c := range map[string]struct {
		server, location, leads string
		reached                 bool
	}{
		"an address":               {"203.0.113.1", "192.168.0.1:5222", "192.168.0.1", false},
		"a name":                   {"203.0.113.1", "elsewhere.test", "192.168.0.1", false},
		"a name of ours":           {"203.0.113.1", "elsewhere.test", "127.0.0.1", false},
		"a name of the metadata":   {"203.0.113.1", "elsewhere.test", "169.254.169.254", false},
		"a name, from our site":    {"10.0.0.1", "elsewhere.test", "192.168.0.1", true},
		"a name that leads out":    {"10.0.0.1", "elsewhere.test", "198.51.100.1", true},
		"a name, from our machine": {"192.168.0.1", "elsewhere.test", "127.0.0.1", false},
	} {
		t.Run(name, func(t *testing.T) {
			said.Store(0)
			h.located(t, c.location, func(cfg *c2s.Config) {
				cfg.StepTimeout = 2 * time.Second // one server there is silent
				there := cfg.Server
				cfg.Dialer = dialerFunc(func(ctx context.Context, network, addr string) (net.Conn, error) {
					to, end := within, c.leads
					switch addr {
					case there:
						to, end = there, c.server
					case "192.168.0.1:5222":
						t.Errorf("a connection to %s", addr)
					}
					conn, err := new(net.Dialer).DialContext(ctx, network, to)
					if err != nil {
						return nil, err
					}
					return &farConn{conn, at(end)}, nil
				})
			})
			if n := said.Load(); (n > 1) != c.reached {
				t.Errorf("%d bytes were said there", n)
			}
		})
	}
}

// Before TLS anybody may speak, such as a network that wants a person to log in to it: what is said there is no reason to give the stream
// up.
func TestGarbageBeforeTLS(t *testing.T) {
	t.Parallel()
	h := newHost(t)
	in := func(script func(*fake)) func(*fake) {
		return func(f *fake) {
			f.header(xmpp.NewElement(nsTLS, "starttls"))
			f.read()
			f.write(xmpp.NewElement(nsTLS, "proceed"))
			f.startTLS()
			script(f)
		}
	}
	addr := rawServer(t, h.cert, inTurn(
		in(func(f *fake) { f.managed("id='stream1' resume='true'") }),
		func(f *fake) { f.raw("HTTP/1.1 302 Found\r\nLocation: http://portal.test/\r\n\r\n"); f.idle() },
		in(func(f *fake) {
			f.asked()
			f.raw("<resumed xmlns='" + nsSM + "' previd='stream1' h='0'/><message id='back'/>")
			f.idle()
		})))
	l, err := h.dialTo(t, addr, impatient)
	if err != nil {
		t.Fatal(err)
	}
	if came, err := drain(l); came != "back" || err != nil {
		t.Errorf("%q came: %v", came, err)
	}
}
