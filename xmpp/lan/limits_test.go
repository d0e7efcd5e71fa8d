package lan

import (
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"
	"mellium.im/xmpp/jid"

	"xtls-agent/xmpp"
	"xtls-agent/xmpp/stream"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

var (
	testDevice = jid.MustParse(`living-room\20box@box`)
	testClient = jid.MustParse("anna@laptop")
)

func testListener(t *testing.T, cfg Config) *Listener {
	t.Helper()
	cfg.Addr, cfg.Local = "127.0.0.1:0", testDevice
	l, err := Listen(t.Context(), cfg)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	return l
}

// testLink opens a link from one of the addresses of the loopback network.
func testLink(t *testing.T, l *Listener, host string) (*stream.Stream, error) {
	t.Helper()
	d := net.Dialer{LocalAddr: &net.TCPAddr{IP: net.ParseIP(host)}}
	conn, err := d.DialContext(t.Context(), "tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	s, err := stream.Client(t.Context(), conn, stream.Config{Local: testClient})
	if err != nil {
		_ = conn.Close()
		return nil, err
	}
	t.Cleanup(func() { _ = s.Close() })
	return s, nil
}

func testAccept(t *testing.T, l *Listener) *Link {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	link, err := l.Accept(ctx)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = link.Close() })
	return link
}

// DESIGN §5, "unbounded anything": connections are limited in all and by host, who is refused hears why, and a closed
// link makes room.
func TestConnectionLimits(t *testing.T) {
	l := testListener(t, Config{MaxConns: 3, MaxPerHost: 2})
	open := func(host string) *Link {
		t.Helper()
		if _, err := testLink(t, l, host); err != nil {
			t.Fatal(err)
		}
		return testAccept(t, l)
	}
	refused := func(host string) {
		t.Helper()
		s, err := testLink(t, l, host)
		if err == nil {
			defer time.AfterFunc(5*time.Second, func() { _ = s.Close() }).Stop()
			_, err = s.ReadStanza()
		}
		var told *stream.Error
		if !errors.As(err, &told) || told.Condition != "resource-constraint" {
			t.Errorf("from %s: %v", host, err)
		}
	}
	first := open("127.0.0.1")
	open("127.0.0.1")
	refused("127.0.0.1") // two from one host
	open("127.0.0.2")
	_ = first.Close()
	open("127.0.0.3")
	refused("127.0.0.4") // three in all, one each
}

// Who holds many gives way, so that a visitor with some addresses cannot keep others out; but not who has proven himself.
func TestWhoHoldsManyGivesWay(t *testing.T) {
	l := testListener(t, Config{MaxConns: 6, MaxPerHost: 3})
	open := func(host string) (*stream.Stream, *Link) {
		t.Helper()
		s, err := testLink(t, l, host)
		if err != nil {
			t.Fatal(err)
		}
		return s, testAccept(t, l)
	}
	owner, device := open("127.0.0.1")
	device.Proven()
	_, second := open("127.0.0.1")
	second.Proven()
	_, third := open("127.0.0.1")
	third.Proven()
	greedy := make(chan error, 3)
	for range 3 {
		s, _ := open("127.0.0.2")
		go func() { _, err := s.ReadStanza(); greedy <- err }()
	}
	open("127.0.0.3") // in the place of one of 127.0.0.2, although 127.0.0.1 holds as many
	if err := <-greedy; err == nil {
		t.Error("the connection that gave way goes on")
	}
	open("127.0.0.4")
	go func() { _ = device.WriteStanza(&xmpp.Stanza{Kind: xmpp.Message, To: testClient, From: testDevice}) }()
	if _, err := owner.ReadStanza(); err != nil {
		t.Errorf("the owner's connection: %v", err)
	}
}

// testTable admits two connections, both from one host.
func testTable(t *testing.T, now func() time.Time) (admit func() (*tableConn, net.Conn, error)) {
	table := newTable(2, 2)
	table.now = now
	return func() (*tableConn, net.Conn, error) {
		a, b := net.Pipe()
		t.Cleanup(func() { _ = a.Close(); _ = b.Close() })
		c, err := table.admit(a)
		return c, b, err
	}
}

// However long it was quiet.
func TestProvenGivesWayToNobody(t *testing.T) {
	now := time.Unix(0, 0)
	admit := testTable(t, func() time.Time { return now })
	for range 2 {
		c, _, _ := admit()
		c.proven.Store(true)
	}
	now = now.Add(time.Hour)
	if _, _, err := admit(); !errors.Is(err, errHostFull) {
		t.Errorf("who comes as the third: %v", err)
	}
}

// A connection that somebody left open and silent gives way to a new one, but only after a while.
func TestQuietConnectionGivesWay(t *testing.T) {
	now := time.Unix(0, 0)
	admit := testTable(t, func() time.Time { return now })
	_, first, _ := admit()
	second, peer, _ := admit()
	now = now.Add(quietBeforeEviction - time.Second)
	if _, _, err := admit(); !errors.Is(err, errHostFull) {
		t.Errorf("before the time: %v", err)
	}
	now = now.Add(time.Second)
	go func() { _, _ = peer.Write([]byte{' '}) }()
	if _, err := second.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	if _, _, err := admit(); err != nil {
		t.Errorf("after the time: %v", err)
	}
	if _, err := first.Read(make([]byte, 1)); err != io.EOF {
		t.Errorf("the quiet one: %v", err)
	}
	if _, _, err := admit(); err == nil {
		t.Error("the one that spoke gave way")
	}
}

// Who connects and is silent neither keeps others waiting nor stays.
func TestHeaderTimeout(t *testing.T) {
	l := testListener(t, Config{HeaderTimeout: 300 * time.Millisecond})
	silent, err := net.Dial("tcp", l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	if _, err := testLink(t, l, "127.0.0.1"); err != nil {
		t.Fatal(err)
	}
	testAccept(t, l)
	_ = silent.SetReadDeadline(time.Now().Add(5 * time.Second))
	if _, err := io.Copy(io.Discard, silent); err != nil {
		t.Errorf("the silent connection: %v", err)
	}
}

func TestListenerEnds(t *testing.T) {
	l := testListener(t, Config{})
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := l.Accept(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("canceled: %v", err)
	}
	waiting, err := testLink(t, l, "127.0.0.1") // nobody accepts it
	if err != nil {
		t.Fatal(err)
	}
	var accepting sync.WaitGroup
	accepting.Go(func() { _, _ = waiting.ReadStanza(); _ = waiting.Close() })
	_ = l.Close()
	accepting.Wait()
	if _, err := l.Accept(t.Context()); !errors.Is(err, net.ErrClosed) {
		t.Errorf("closed: %v", err)
	}
	var unreachable *xmpp.UnreachableError
	if _, err := Dial(t.Context(), l.Addr().String(), testClient); !errors.As(err, &unreachable) {
		t.Errorf("nobody listens: %v", err)
	}
}

// The JID is a claim, the network address is not: pairing counts by it.
func TestPeer(t *testing.T) {
	l := testListener(t, Config{})
	if _, err := testLink(t, l, "127.0.0.9"); err != nil {
		t.Fatal(err)
	}
	link := testAccept(t, l)
	if got := hostOf(link.NetAddr()).String(); got != "127.0.0.9" || !link.RemoteAddr().Equal(testClient) {
		t.Errorf("%v at %v", link.RemoteAddr(), got)
	}
	mapped := &net.TCPAddr{IP: net.ParseIP("::ffff:192.0.2.1"), Port: 1}
	if got := hostOf(mapped).String(); got != "192.0.2.1" {
		t.Errorf("a mapped address counts as %s", got)
	}
}

// Who expects another than answers gets no link.
func TestDialChecksTheJID(t *testing.T) {
	l := testListener(t, Config{})
	_, err := Dialer{Local: testClient, Remote: jid.MustParse("other@box")}.Dial(t.Context(), "lan:"+l.Addr().String())
	var other *stream.HeaderError
	var told *stream.Error
	if !errors.As(err, &other) && !errors.As(err, &told) {
		t.Errorf("%v", err)
	}
}
