package stream_test

import (
	"context"
	"errors"
	"io"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/linktest"
	"xtls-agent/xmpp/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	owner  = jid.MustParse("owner@home.test")
	device = jid.MustParse("box@home.test")
)

func ownerConfig() stream.Config  { return stream.Config{Local: owner, Remote: device, Strict: true} }
func deviceConfig() stream.Config { return stream.Config{Local: device, Remote: owner, Strict: true} }

type opened struct {
	s   *stream.Stream
	err error
}

// open opens both ends of a stream over conns a and b.
func open(t *testing.T, a, b net.Conn, ca, cb stream.Config) (client, server opened) {
	t.Helper()
	answered := make(chan opened, 1)
	go func() {
		s, err := stream.Server(t.Context(), b, cb)
		if err != nil {
			_ = b.Close()
		}
		answered <- opened{s, err}
	}()
	s, err := stream.Client(t.Context(), a, ca)
	if err != nil {
		_ = a.Close()
	}
	return opened{s, err}, <-answered
}

func tcpPair(t *testing.T) (net.Conn, net.Conn) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	a, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	b, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	return a, b
}

func TestLink(t *testing.T) {
	for name, pair := range map[string]func(*testing.T) (net.Conn, net.Conn){
		"TCP":  tcpPair,
		"Pipe": func(*testing.T) (net.Conn, net.Conn) { return net.Pipe() },
	} {
		t.Run(name, func(t *testing.T) {
			linktest.Run(t, func(t *testing.T) linktest.Ends {
				a, b := pair(t)
				client, server := open(t, a, b, ownerConfig(), deviceConfig())
				if client.err != nil || server.err != nil {
					t.Fatal(client.err, server.err)
				}
				return linktest.Ends{A: client.s, B: server.s, Cut: func() { _ = b.Close() }}
			}, linktest.Caps{})
		})
	}
}

// oneByte hands out and takes a byte at a time.
type oneByte struct{ net.Conn }

func (c oneByte) Read(p []byte) (int, error) { return c.Conn.Read(p[:min(1, len(p))]) }

func (c oneByte) Write(p []byte) (int, error) {
	for i := range p {
		if _, err := c.Conn.Write(p[i : i+1]); err != nil {
			return i, err
		}
	}
	return len(p), nil
}

func TestOneByteAtATime(t *testing.T) {
	a, b := tcpPair(t)
	client, server := open(t, oneByte{a}, oneByte{b}, ownerConfig(), deviceConfig())
	if client.err != nil || server.err != nil {
		t.Fatal(client.err, server.err)
	}
	written := make(chan error, 1)
	go func() {
		written <- client.s.WriteStanza(&xmpp.Stanza{Kind: xmpp.Message, ID: "m"})
	}()
	if st, err := server.s.ReadStanza(); err != nil || st.ID != "m" {
		t.Errorf("%v, %v", st, err)
	}
	if err := <-written; err != nil {
		t.Error(err)
	}
	closed := make(chan struct{})
	go func() { _ = client.s.Close(); close(closed) }()
	_, err := server.s.ReadStanza()
	if err != io.EOF {
		t.Errorf("at the end: %v", err)
	}
	_ = server.s.Close()
	<-closed
}

// established returns a server's stream whose client is a raw connection.
func established(t *testing.T, cfg stream.Config) (*stream.Stream, net.Conn) {
	t.Helper()
	a, b := tcpPair(t)
	if _, err := io.WriteString(a, header(owner, device)); err != nil {
		t.Fatal(err)
	}
	s, err := stream.Server(t.Context(), b, cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = a.Close(); _ = s.Close() })
	return s, a
}

// What is no stanza ends the stream, with the reason (RFC 6120 §4.9.3), and nothing is read after it.
func TestProtocolErrorsEndTheStream(t *testing.T) {
	for name, c := range map[string]struct{ says, condition string }{
		"unknown element":    {"<r xmlns='urn:xmpp:sm:3'/>", stream.UnsupportedStanzaType},
		"second features":    {"<message/><stream:features/>", stream.UnsupportedStanzaType},
		"unknown stanza":     {"<stanza/>", stream.UnsupportedStanzaType},
		"foreign namespace":  {"<message xmlns='urn:x'/>", stream.UnsupportedStanzaType},
		"iq without id":      {"<iq type='get'/>", stream.BadFormat},
		"iq of no type":      {"<iq id='1'/>", stream.BadFormat},
		"text":               {"hello<message/>", stream.NotWellFormed},
		"comment":            {"<!-- -->", stream.NotWellFormed},
		"processing":         {"<?php ?>", stream.NotWellFormed},
		"DTD":                {"<!DOCTYPE x>", stream.NotWellFormed},
		"wrong end tag":      {"<message></iq>", stream.NotWellFormed},
		"undeclared prefix":  {"<x:message/>", stream.NotWellFormed},
		"entity":             {"<message>&nbsp;</message>", stream.NotWellFormed},
		"too big":            {"<message>" + strings.Repeat("x", 5000), stream.PolicyViolation},
		"too deep":           {strings.Repeat("<message>", 50), stream.PolicyViolation},
		"too many in number": {"<message>" + strings.Repeat("<x/>", 500), stream.PolicyViolation},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := deviceConfig()
			cfg.Limits = xmpp.Limits{Bytes: 4096, Depth: 10, Elements: 100}
			s, peer := established(t, cfg)
			if _, err := io.WriteString(peer, c.says+"<message id='late'/>"); err != nil {
				t.Fatal(err)
			}
			var got *stream.Error
			for range 2 { // "second features" has a stanza before
				if _, err := s.ReadStanza(); errors.As(err, &got) {
					break
				}
			}
			if got == nil || got.Condition != c.condition || !got.Sent {
				t.Fatalf("got %v, want %s", got, c.condition)
			}
			if st, err := s.ReadStanza(); err == nil {
				t.Errorf("read %v after the end", st.Element())
			}
			if err := s.WriteStanza(&xmpp.Stanza{Kind: xmpp.Message}); err == nil {
				t.Error("wrote after the end")
			}
			_ = s.Close()
			heard, _ := io.ReadAll(peer) // a reset connection may cut the end
			if !strings.Contains(string(heard), "<stream:error><"+c.condition) {
				t.Errorf("the peer heard %q", heard)
			}
		})
	}
}

func TestPeersStreamError(t *testing.T) {
	s, peer := established(t, deviceConfig())
	_, _ = io.WriteString(peer, "<stream:error><conflict xmlns='urn:ietf:params:xml:ns:xmpp-streams'/>"+
		"<text xmlns='urn:ietf:params:xml:ns:xmpp-streams'>Replaced</text></stream:error></stream:stream>")
	_, err := s.ReadStanza()
	var got *stream.Error
	if !errors.As(err, &got) || got.Sent || got.Text != "Replaced" || !errors.Is(err, xmpp.ErrConflict) {
		t.Errorf("%v", err)
	}
}

// The peer cannot speak for others: bad or foreign addresses are of no consequence.
func TestAddressesOfStanzasAreTheStreams(t *testing.T) {
	s, peer := established(t, deviceConfig())
	_, _ = io.WriteString(peer, "<message from='admin@home.test' to='@@@' id='1'/>")
	st, err := s.ReadStanza()
	if err != nil || !st.From.Equal(owner) || !st.To.Equal(device) {
		t.Errorf("%v, %v", st, err)
	}
}

// A peer of XMPP 1.0 gets features (RFC 6120 §4.3.2), one of before does not.
func TestFeatures(t *testing.T) {
	for _, version := range []string{" version='1.0'", ""} {
		a, b := net.Pipe()
		said := talk(a, strings.Replace(header(owner, device), " version='1.0'", version, 1)+"</stream:stream>")
		s, err := stream.Server(t.Context(), b, deviceConfig())
		if err != nil {
			t.Fatal(err)
		}
		_ = s.Close()
		if got := <-said; strings.Contains(got, "<stream:features") != (version != "") {
			t.Errorf("version %q: %s", version, got)
		}
	}
}

// An orderly end waits for the peer's end tag, and drops what crossed with ours (RFC 6120 §4.4); but not for ever.
func TestCloseWaitsForThePeersEnd(t *testing.T) {
	s, peer := established(t, deviceConfig())
	closed := make(chan struct{})
	go func() { _ = s.Close(); close(closed) }()
	heard := make([]byte, 4096)
	for !strings.HasSuffix(strings.TrimRight(string(heard), "\x00"), "</stream:stream>") {
		n, err := peer.Read(heard)
		if err != nil {
			t.Fatal(err)
		}
		heard = heard[:n]
	}
	select {
	case <-closed:
		t.Error("Close did not wait")
	case <-time.After(50 * time.Millisecond):
	}
	_, _ = io.WriteString(peer, "<message/></stream:stream>")
	<-closed
}

func TestCloseIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		defer a.Close()
		go func() { _, _ = io.WriteString(a, header(owner, device)); _, _ = io.Copy(io.Discard, a) }()
		s, err := stream.Server(t.Context(), b, deviceConfig())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		_ = s.Close()
		if d := time.Since(start); d != 2*time.Second {
			t.Errorf("Close against a silent peer took %v", d)
		}
	})
}

// Every step has a time limit, and ctx ends it too.
func TestHeaderTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, open := range []func(context.Context, net.Conn, stream.Config) (*stream.Stream, error){stream.Client, stream.Server} {
			a, b := net.Pipe()
			go func() { _, _ = io.Copy(io.Discard, a) }()
			start := time.Now()
			_, err := open(t.Context(), b, stream.Config{Local: owner, Remote: device, HeaderTimeout: 7 * time.Second})
			if d := time.Since(start); d != 7*time.Second || !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("%v after %v", err, d)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := open(ctx, b, ownerConfig()); !errors.Is(err, context.Canceled) {
				t.Errorf("canceled: %v", err)
			}
			_, _ = a.Close(), b.Close()
		}
	})
}

// A write that makes progress may take long; one that stands still ends the stream.
func TestWriteTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		stop := make(chan struct{})
		go func() {
			_, _ = io.WriteString(a, header(owner, device))
			chunk := make([]byte, 8<<10)
			for range 10 { // 8 KiB in 20 s, ten times
				if _, err := io.ReadFull(a, chunk); err != nil {
					return
				}
				time.Sleep(8 * time.Second)
			}
			<-stop
		}()
		s, err := stream.Server(t.Context(), b, deviceConfig())
		if err != nil {
			t.Fatal(err)
		}
		write := func(n int) error {
			return s.WriteStanza(&xmpp.Stanza{Kind: xmpp.Message, Payload: []*xmpp.Element{xmpp.NewText("urn:x", "x", strings.Repeat("x", n))}})
		}
		if err := write(60 << 10); err != nil {
			t.Errorf("a slow line: %v", err)
		}
		start := time.Now()
		err = write(60 << 10)
		var timeout net.Error
		if !errors.As(err, &timeout) || !timeout.Timeout() || time.Since(start) > 2*time.Minute {
			t.Errorf("a line that stands: %v after %v", err, time.Since(start))
		}
		if err := write(1); err == nil {
			t.Error("wrote on after a stanza was cut")
		}
		close(stop)
		_, _ = s.Close(), a.Close()
	})
}

// A peer that breaks the rules and does not read either cannot hold up the reader that tells it so.
func TestAbortIsBounded(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		a, b := net.Pipe()
		go func() {
			_, _ = io.WriteString(a, header(owner, device))
			_, _ = io.ReadAtLeast(a, make([]byte, 4096), 50)
			_, _ = io.WriteString(a, "<unknown/>")
		}()
		s, err := stream.Server(t.Context(), b, deviceConfig())
		if err != nil {
			t.Fatal(err)
		}
		start := time.Now()
		if _, err := s.ReadStanza(); err == nil || time.Since(start) > 2*time.Second {
			t.Errorf("%v after %v", err, time.Since(start))
		}
		_, _ = s.Close(), a.Close()
	})
}

// However a connection says that the peer is gone, it is io.ErrUnexpectedEOF.
func TestResetIsUnexpectedEOF(t *testing.T) {
	s, peer := established(t, deviceConfig())
	_ = peer.(*net.TCPConn).SetLinger(0)
	_ = peer.Close()
	if _, err := s.ReadStanza(); !errors.Is(err, io.ErrUnexpectedEOF) {
		t.Errorf("reset: %v", err)
	}
}

// closeCounter counts how often a connection is closed.
type closeCounter struct {
	net.Conn
	n *int
}

func (c closeCounter) Close() error { *c.n++; return c.Conn.Close() }

func TestClosesWhatItWasGivenOnce(t *testing.T) {
	a, b := net.Pipe()
	var n, m int
	client, server := open(t, closeCounter{a, &n}, closeCounter{b, &m}, ownerConfig(), deviceConfig())
	closeBoth(client.s, server.s)
	closeBoth(client.s, server.s)
	if n != 1 || m != 1 {
		t.Errorf("closed %d and %d times", n, m)
	}
}

func TestErrorLeavesTheConnectionToItsOwner(t *testing.T) {
	a, b := net.Pipe()
	n := 0
	said := talk(a, header(device, owner))
	if _, err := stream.Server(t.Context(), closeCounter{b, &n}, deviceConfig()); err == nil || n != 0 {
		t.Errorf("%v, closed %d times", err, n)
	}
	_ = b.Close()
	<-said
}
