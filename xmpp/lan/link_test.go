package lan_test

import (
	"io"
	"net"
	"sync"
	"testing"

	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp/lan"
	"xtls-agent/xmpp/linktest"
)

var (
	device = jid.MustParse("living-room\\20box@box")
	client = jid.MustParse("anna@laptop")
)

func listen(t *testing.T, cfg lan.Config) *lan.Listener {
	t.Helper()
	cfg.Addr, cfg.Local = "127.0.0.1:0", device
	l, err := lan.Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := l.Close(); err != nil {
			t.Error(err)
		}
	})
	return l
}

// pair opens a link through l.
func pair(t *testing.T, l *lan.Listener) (dialled, accepted *lan.Link) {
	t.Helper()
	dialled, err := lan.Dial(t.Context(), lan.Scheme+l.Addr().String(), client)
	if err != nil {
		t.Fatal(err)
	}
	accepted, err = l.Accept(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return dialled, accepted
}

func TestLink(t *testing.T) {
	linktest.Run(t, func(t *testing.T) linktest.Ends {
		l := listen(t, lan.Config{})
		addr, cut := cable(t, l.Addr().String())
		a, err := lan.Dial(t.Context(), lan.Scheme+addr, client)
		if err != nil {
			t.Fatal(err)
		}
		b, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		return linktest.Ends{A: a, B: b, Cut: cut}
	}, linktest.Caps{})
}

// cable carries one connection to addr, until it is cut.
func cable(t *testing.T, addr string) (entry string, cut func()) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	var running sync.WaitGroup
	ends := make(chan net.Conn, 2)
	running.Go(func() {
		defer close(ends)
		in, err := l.Accept()
		if err != nil {
			return
		}
		ends <- in
		out, err := net.Dial("tcp", addr)
		if err != nil {
			return
		}
		ends <- out
		running.Go(func() { _, _ = io.Copy(out, in); _ = out.(*net.TCPConn).CloseWrite() })
		running.Go(func() { _, _ = io.Copy(in, out); _ = in.(*net.TCPConn).CloseWrite() })
	})
	cut = sync.OnceFunc(func() {
		_ = l.Close()
		for c := range ends {
			_ = c.Close()
		}
		running.Wait()
	})
	t.Cleanup(cut)
	return l.Addr().String(), cut
}

// A machine that has another name by now is found by the one of before too, and by no other.
func TestAlias(t *testing.T) {
	before, other := jid.MustParse("box@box"), jid.MustParse("lamp@box")
	l := listen(t, lan.Config{Aliases: []jid.JID{before}})
	for _, name := range []jid.JID{device, before} {
		dialled, err := lan.Dialer{Local: client, Remote: name}.Dial(t.Context(), l.Addr().String())
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		accepted, err := l.Accept(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		if got := accepted.LocalAddr(); !got.Equal(name) {
			t.Errorf("asked for %s, %s answers", name, got)
		}
		go dialled.Close()
		_ = accepted.Close()
	}
	if _, err := (lan.Dialer{Local: client, Remote: other}).Dial(t.Context(), l.Addr().String()); err == nil {
		t.Errorf("%s answers as well", other)
	}
}
